"""What people were answered, by their own journal, against the portal's rows and its audit trail."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from chaos.checks.findings import Finding
from chaos.journal import Journal

_ACTIONS = {
    "approve": "operation.approved",
    "refuse": "operation.refused",
    "cancel": "operation.withdrawn",
    "job confirm": "job.confirmed",
    "job approve": "job.approved",
    "job pause": "job.paused",
    "job resume": "job.resumed",
    "job cancel": "job.cancel_requested",
}
_ENDS = ("done", "failed", "expired", "needs_attention")
_TAKEN = 303


def _by_form(journal: Journal) -> dict[str, list[dict[str, Any]]]:
    forms: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in journal.read():
        if line["act"] in ("operation", "message"):
            forms[line["nonce"]].append(line)
    return forms


def rows(journal: Journal) -> Iterator[Finding]:
    """Each form that was answered with success has its one row: of that SIM, that person, that kind."""
    from operations.models import BatchJob, Operation

    names = ("nonce", "pk", "sim__giccid", "actor__username", "kind")
    stored = {row[0]: row[1:] for row in Operation.objects.exclude(nonce=None).values_list(*names)}
    forms = _by_form(journal)
    for nonce, lines in forms.items():
        yield Finding.checked("answers to forms", len(lines))
        yield Finding.checked("forms not answered at the first click", int(lines[0]["status"] in (None, 500, 503)))
        for line in lines:
            if line["status"] != _TAKEN:
                continue
            kind = line["fields"].get("kind", "send_sms")
            found = stored.get(nonce)
            if found is None or found[1:] != (line["giccid"], line["who"], kind):
                yield Finding.offender(f"answered with success: {line}, stored: {found}")
            elif line["act"] == "operation" and line["location"] != f"/operations/{found[0]}/":
                yield Finding.offender(f"answered {line['location']}, stored as {found[0]}")
            else:
                yield Finding.checked("answers of success with their row", 1)
    for nonce in stored.keys() - forms.keys():
        yield Finding.offender(f"operation {stored[nonce][0]} is of a form that nobody sent: {nonce}")
    jobs = set(BatchJob.objects.values_list("pk", flat=True))
    for line in journal.read():
        if line["act"] == "job" and line["status"] == _TAKEN:
            number = int(line["location"].rstrip("/").rpartition("/")[2])
            yield Finding.checked("jobs answered with success", 1)
            if number not in jobs:
                yield Finding.offender(f"job {number} was answered with success and is not there")


def twice(journal: Journal) -> Iterator[Finding]:
    """A form makes one row however often it is clicked, and none where it was refused."""
    from operations.models import Operation

    stored = dict(Operation.objects.exclude(nonce=None).values_list("nonce", "pk"))
    for nonce, lines in _by_form(journal).items():
        answers = {line["status"] for line in lines if line["status"] is not None and line["status"] < 500}
        yield Finding.checked("forms sent", 1)
        yield Finding.checked("forms sent more than once", int(len(lines) > 1))
        if answers - {_TAKEN} and nonce in stored:
            yield Finding.offender(f"operation {stored[nonce]} is there, and its form was answered with {answers}")
    of_person = Operation.objects.filter(job=None).values_list("actor", "sim", "reason", "ticket", "kind")
    for who, count in Counter(of_person).items():
        if count > 1:
            yield Finding.offender(f"{count} operations of one wish: {who}")


def audit(journal: Journal) -> Iterator[Finding]:
    """Each act has one entry, each end of an operation, too."""
    from core.models import AuditEntry
    from operations.models import Operation

    entries = Counter(AuditEntry.objects.values_list("object_type", "object_id", "action"))
    yield Finding.checked("audit entries", sum(entries.values()))
    for pk, state in Operation.objects.values_list("pk", "state"):
        wanted = ["operation.requested", *([f"operation.{state}"] if state in _ENDS else [])]
        for action in wanted:
            count = entries["operations.operation", str(pk), action]
            if count != 1:
                yield Finding.offender(f"operation {pk} ({state}) has {count} entries {action}")
    once = set(_ACTIONS.values()) - {"job.paused", "job.resumed"}
    for (kind, object_id, action), count in entries.items():
        if count > 1 and (action in once or action.startswith(("operation.", "job.made"))):
            yield Finding.offender(f"{count} entries {action} of {kind} {object_id}")
    done = Counter(
        (line["act"], str(line.get("operation") or line.get("job")))
        for line in journal.read()
        if line["act"] in _ACTIONS and line["status"] == _TAKEN
    )
    for (act, object_id), count in done.items():
        kind = "operations.batchjob" if act.startswith("job") else "operations.operation"
        actions = [_ACTIONS[act], *(["job.cancelled"] if act == "job cancel" else [])]
        yield Finding.checked("decisions answered with success", count)
        if not any(entries[kind, object_id, wanted_action] for wanted_action in actions):
            yield Finding.offender(f"{act} of {object_id} was answered with success and is not in the audit trail")
