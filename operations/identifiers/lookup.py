"""From lines to SIMs: a constant number of queries for each thousand lines, all by index.

What a user may not see is looked up as well, so that a number which is another's is never "repaired" into one of
his; it is then answered as unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice

from django.utils.translation import gettext as _

from operations.identifiers.index import Hit, count_between, exact, in_ranges, probe_hits
from operations.identifiers.lines import Line, Resolved, check_number, line_limit, looks_rounded, luhn_fits
from operations.identifiers.repairs import Probe, probes
from operations.identifiers.shortened import written_out
from operations.models import BatchLine
from staff.models import User
from staff.scopes import visible_accounts

BATCH = 5000
"""Lines that are looked up together."""
MOST_CANDIDATES = 20
"""SIMs from which a person is asked to choose."""
COUNTED = 10_000
_RANGE_WIDTH = 10
"""Numbers of a range for each line that a job takes: only each tenth number is a giccid where it has a check digit."""

_Outcome = BatchLine.Outcome


@dataclass(slots=True)
class _Answer:
    """What a line came to, before duplicates are known and lines are numbered."""

    line: Line
    outcome: str = ""
    note: str = ""
    hits: list[Hit] = field(default_factory=list)


def resolve(lines: Sequence[Line], user: User, *, alive: Callable[[], None] | None = None) -> list[Resolved]:
    """What each of ``lines`` means to ``user``, in their order; a range becomes a line for each of its SIMs.

    Raises :class:`~operations.identifiers.lines.TooMany` when ranges make it more than a job takes. ``alive`` is
    called after each :data:`BATCH`: a hundred thousand damaged numbers take longer than a claim holds.
    """
    check_number(len(lines))
    lines = written_out(lines)
    accounts = visible_accounts(user)
    result: list[Resolved] = []
    first: dict[int, int] = {}
    distrust = _came_through_a_spreadsheet(lines)
    todo = iter(lines)
    while batch := list(islice(todo, BATCH)):
        room = line_limit() - len(result)
        for answer in _answers(batch, accounts, room, distrust=distrust):
            _number(answer, result, first)
        check_number(len(result))
        if alive is not None:
            alive()
    return result


def _came_through_a_spreadsheet(lines: Sequence[Line]) -> bool:
    """Whether so many giccids look rounded that none of those may be taken for what it says.

    One such giccid in sixteen thousand is a true one; a tenth of all is a column that was kept as numbers.
    """
    rounded = sum(looks_rounded(line.digits) for line in lines if not line.length and not line.until)
    return rounded > 1 and rounded * 10 >= len(lines)


def _number(answer: _Answer, result: list[Resolved], first: dict[int, int]) -> None:
    """Append what ``answer`` is, with duplicates told."""
    if answer.outcome not in (_Outcome.FOUND, _Outcome.REPAIRED):
        candidates = [hit.giccid for hit in answer.hits]
        result.append(Resolved(len(result) + 1, answer.line.text, answer.outcome, answer.note, candidates=candidates))
        return
    for hit in answer.hits:
        number = len(result) + 1
        before = first.setdefault(hit.pk, number)
        if before == number:
            result.append(Resolved(number, answer.line.text, answer.outcome, answer.note, hit.pk, hit.giccid))
        else:
            note = _("The same SIM as line %(number)s.") % {"number": before}
            result.append(Resolved(number, answer.line.text, _Outcome.DUPLICATE, note, None, hit.giccid))


def _answers(batch: list[Line], accounts: frozenset[str] | None, room: int, *, distrust: bool) -> list[_Answer]:
    answers = [_Answer(line) for line in batch]
    for answer in answers:
        if answer.line.problem:
            answer.outcome, answer.note = _Outcome.NOT_FOUND, answer.line.problem
    _take_exact([a for a in answers if not (distrust and looks_rounded(a.line.digits))], accounts)
    _take_ranges([answer for answer in answers if not answer.outcome and answer.line.until], accounts, room)
    _take_repairs([answer for answer in answers if not answer.outcome], accounts)
    return answers


def _may_see(hit: Hit, accounts: frozenset[str] | None) -> bool:
    return accounts is None or hit.account in accounts


def _take_exact(answers: list[_Answer], accounts: frozenset[str] | None) -> None:
    """Lines whose number is, as it stands, a number of a SIM."""
    asked = {_whole(a.line) for a in answers if not a.outcome and _whole(a.line)}
    hits = exact(asked)
    for answer in answers:
        if answer.outcome:
            continue
        found = _distinct(hits.get(_whole(answer.line), ()))
        if not found:
            continue
        seen = [hit for hit in found if _may_see(hit, accounts)]
        if not seen:
            answer.outcome, answer.note = _Outcome.NOT_FOUND, _unknown()
        elif len(seen) == 1:
            _take(answer, seen, list(answer.line.repairs))
        else:
            _choose(answer, seen, _("%(count)s SIMs have this number.") % {"count": len(seen)})


def _whole(line: Line) -> str:
    if line.until:
        return line.joined
    return "" if line.length else line.digits


def _distinct(hits: Iterable[Hit]) -> list[Hit]:
    return sorted({hit.pk: hit for hit in hits}.values(), key=lambda hit: hit.giccid)


def _take(answer: _Answer, hits: list[Hit], repairs: list[str]) -> None:
    answer.outcome = _Outcome.REPAIRED if repairs else _Outcome.FOUND
    answer.note = " ".join(repairs)
    answer.hits = hits


def _choose(answer: _Answer, hits: list[Hit], note: str) -> None:
    """Ambiguous, if there are few enough to choose from."""
    if len(hits) > MOST_CANDIDATES:
        answer.outcome, answer.note = _Outcome.NOT_FOUND, note + " " + _("That is too many to choose from.")
    else:
        answer.outcome, answer.note, answer.hits = _Outcome.AMBIGUOUS, note, hits


def _unknown() -> str:
    return _("No SIM has this number.")


def _take_ranges(answers: list[_Answer], accounts: frozenset[str] | None, room: int) -> None:
    sound: list[_Answer] = []
    widest = line_limit() * _RANGE_WIDTH
    for answer in answers:
        width = int(answer.line.until) - int(answer.line.digits) + 1
        answer.outcome = _Outcome.NOT_FOUND
        if width < 1:
            answer.note = _("The range ends before it begins.")
        elif width > widest:
            answer.note = _("The range is wider than %(widest)s numbers.") % {"widest": f"{widest:,}"}
        else:
            sound.append(answer)
    _fill_ranges([(answer, answer.line.digits, answer.line.until) for answer in sound], "", accounts, room)
    without_check_digit = [answer for answer in sound if not answer.hits and len(answer.line.digits) == 19]
    _fill_ranges(
        [(answer, answer.line.digits + "0", answer.line.until + "9") for answer in without_check_digit],
        _("The missing check digits were added."),
        accounts,
        room,
    )
    for answer in sound:
        if not answer.hits:
            answer.note = _("There is no SIM in this range.")


def _fill_ranges(
    asked: list[tuple[_Answer, str, str]], repair: str, accounts: frozenset[str] | None, room: int
) -> None:
    """Give each answer the SIMs between its ends. What the user may not see does not count to the limit."""
    found = in_ranges([(low, high) for _answer, low, high in asked], accounts, room + 1)
    check_number(line_limit() - room + sum(len(hits) for hits in found))
    for (answer, _low, _high), hits in zip(asked, found, strict=True):
        if hits:
            _take(answer, hits, [repair] if repair else [])


def _take_repairs(answers: list[_Answer], accounts: frozenset[str] | None) -> None:
    """Lines that are nobody's number as they stand."""
    asked = [probes(answer.line) for answer in answers]
    wide = sorted({p for found in asked for p in found if p.wide}, key=lambda p: (p.field, p.low, p.high))
    counts = dict(zip(wide, count_between(wide, accounts, COUNTED + 1), strict=True))
    # Others' SIMs at such a place need not be known one by one; that there are some is enough for doubt.
    doubtful = (
        {
            probe
            for probe, count in zip(wide, count_between(wide, None, MOST_CANDIDATES), strict=True)
            if count > counts[probe]
        }
        if accounts is not None
        else set()
    )
    hits: list[list[tuple[Probe, Hit]]] = [[] for _answer in answers]
    for scope, is_wide in ((None, False), (accounts, True)):
        flat = [
            (n, probe)
            for n, found in enumerate(asked)
            for probe in found
            if probe.wide == is_wide and (not is_wide or 1 <= counts[probe] <= MOST_CANDIDATES)
        ]
        for (n, probe), sims in zip(flat, probe_hits([probe for _n, probe in flat], scope), strict=True):
            hits[n] += [(probe, hit) for hit in sims]
    for answer, places, found in zip(answers, asked, hits, strict=True):
        most = max((counts[probe] for probe in places if probe.wide), default=0)
        _decide(answer, found, most, accounts, in_doubt=not doubtful.isdisjoint(places))


def _decide(
    answer: _Answer,
    found: list[tuple[Probe, Hit]],
    most: int,
    accounts: frozenset[str] | None,
    *,
    in_doubt: bool,
) -> None:
    """``most``: SIMs at the fullest wide place; those of more than can be chosen from are not among ``found``."""
    everybody = _distinct(hit for _probe, hit in found)
    seen = [hit for hit in everybody if _may_see(hit, accounts)]
    too_many = most > MOST_CANDIDATES
    if not seen:
        answer.outcome = _Outcome.NOT_FOUND
        answer.note = _cut_off(most) if too_many else _unknown()
    elif len(everybody) == 1 and not too_many and not in_doubt and (note := _certain(found)):
        _take(answer, seen, [*answer.line.repairs, note])
    elif any(probe.wide for probe, _hit in found):
        _choose(answer, seen, _("The spreadsheet cut off the digits; these begin so."))
    else:
        _choose(answer, seen, _("No SIM has this number; these are close to it."))


def _certain(found: list[tuple[Probe, Hit]]) -> str:
    """The note of a proposal that is certain, of those that lead to the one SIM; empty when none is."""
    for probe, hit in found:
        if not probe.checked or luhn_fits(hit.value):
            return str(probe.note)
    return ""


def _cut_off(count: int) -> str:
    if count > COUNTED:
        return _("The spreadsheet cut off the digits; more than %(count)s SIMs begin so.") % {"count": f"{COUNTED:,}"}
    return _("The spreadsheet cut off the digits; %(count)s SIMs begin so.") % {"count": f"{count:,}"}
