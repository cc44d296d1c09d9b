"""The full walk: every SIM the carrier lists, then those of the mirror that it did not list."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter

from django.utils import timezone
from django.utils.translation import gettext as _

from sims.models import Sim
from sims.services import mirror
from sims.services.carrier import get_client
from sims.services.mirror import ApplyResult, Source
from sims.services.newcomers import newcomer
from sims.services.reading import Received
from sims.services.reference import read_all_reference
from sims.services.refresh import ask_for
from sims.services.sync_ahead import Ahead
from sims.services.sync_pages import Pages, apply_pages
from sims.services.sync_runs import Held
from smarthub import Lane, SmartHub
from smarthub.client import MAX_GICCIDS_IN_QUERY

_PHASES = ("reference", "list", "verify")


def walk(held: Held) -> None:
    """Do the run, from where its cursor says. Errors as :meth:`Held.call`; ``ListBroken`` from the list itself."""
    client = get_client(Lane.SYNC)
    run = held.run
    phase = run.cursor.get("phase", _PHASES[0])
    if phase == "reference":
        run.errors += read_all_reference(client, held).errors
        run.cursor = {"phase": "list"}
        held.advance()
    if run.cursor["phase"] == "list":
        _walk_list(client, held)
        run.cursor = {"phase": "verify"}
        held.advance()
    _verify_unseen(client, held)
    held.finish()


def _walk_list(client: SmartHub, held: Held) -> None:
    """What has come is written together: a page at a time where the carrier is slow, up to a chunk of the mirror where
    it is not. The cursor moves behind what is written, so that a walk that is killed loses nothing."""
    run = held.run
    is_last = False
    with Ahead(client, Pages(run.cursor, client.page_size)) as ahead:
        while not is_last:
            fetched = held.call(lambda: ahead.take(meanwhile=held.advance, every=held.alive_every))
            result, refused = apply_pages([each.sims for each in fetched], source=Source.WALK)
            ahead.makes = _wanted_of_each(result, sum(len(each.sims) for each in fetched))
            for each in fetched:
                run.read += len(each.page.data) + len(each.page.unreadable)
                run.total = each.page.total if each.page.total is not None else run.total
                run.errors += len(each.page.unreadable)
            run.errors += refused
            _count(held, result)
            is_last = fetched[-1].is_last
            if fetched[-1].ended_early:
                run.errors += 1
                run.message = _("The carrier's list ended before the total that it tells.")
            run.cursor = {"phase": "list", **fetched[-1].cursor}
            held.advance()


def _wanted_of_each(result: ApplyResult, seen: int) -> Callable[[Received], object] | None:
    """What the writing of SIMs like those just ``seen`` wants of them, beside their JSON: of most of them nothing, as
    long as they are in the mirror as they are."""
    if 2 * result.new > seen:
        return lambda received: newcomer(received, str(Source.WALK))
    if 2 * (result.new + result.changed) > seen:
        return attrgetter("reading")
    return None


def _verify_unseen(client: SmartHub, held: Held) -> None:
    """SIMs that no page held may have slipped through between two pages: only the carrier's word about each counts."""
    run = held.run
    while True:
        unseen = Sim.objects.filter(
            observed_at__lt=run.started_at, missing_since=None, giccid__gt=run.cursor.get("after", "")
        ).order_by("giccid")
        giccids = list(unseen.values_list("giccid", flat=True)[:MAX_GICCIDS_IN_QUERY])
        if not giccids:
            return
        asked_at = timezone.now()
        answer = held.call(lambda asked=giccids: ask_for(client, asked, source=Source.WALK))  # type: ignore[misc] # mypy infers no lambda with a default
        run.missing += mirror.mark_missing(answer.absent, asked_at=asked_at)
        run.errors += len(set(giccids) - answer.absent - answer.found.keys())
        _count(held, answer.result)
        run.cursor = {"phase": "verify", "after": giccids[-1]}
        held.advance()


def _count(held: Held, result: ApplyResult) -> None:
    held.run.new += result.new
    held.run.changed += result.changed
    held.run.errors += result.problems
