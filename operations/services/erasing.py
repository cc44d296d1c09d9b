"""What changes and jobs hold of a SIM's personal data, to be erased: values, lines as given, words."""

from __future__ import annotations

from typing import Any

from django.db.models import Q

from core.erasing import Part, Subject, changing, cutting, setting
from operations.models import BatchChunk, BatchInput, BatchJob, BatchLine, Operation, OperationAttempt
from sims.models import TimelineEvent
from staff.models import User

_FIELDS = Operation.Kind.SET_CUSTOM_FIELDS


def parts(subject: Subject) -> list[Part]:
    """Of the SIMs: custom fields before and after, lines of jobs; and the numbers wherever they stand.

    What is not over keeps its values: they are still to be sent, or compared with what the SIM shows.
    """
    operations = Operation.objects.filter(sim__in=subject.sims, kind=_FIELDS)
    valued = operations.exclude(params={}, before__has_key="erased")
    lines = BatchLine.objects.filter(sim__in=subject.sims)
    values = lines.filter(job__kind=_FIELDS).exclude(params={}, from_value="", to_value="")
    ended = Q(job__state__in=BatchJob.FINAL_STATES)
    numbers = subject.numbers
    return [
        Part(
            "custom fields, before and after",
            valued.exclude(state__in=Operation.OPEN_STATES),
            changing(("params", "before"), _without_values),
            waits=valued.filter(state__in=Operation.OPEN_STATES),
        ),
        Part("text: the line as given", lines.exclude(text=""), setting(text="")),
        Part(
            "custom fields, before and after",
            values.filter(ended),
            setting(params={}, from_value="", to_value=""),
            waits=values.exclude(ended),
        ),
        *cutting(Operation, ["result", "reason", "message"], numbers),
        *cutting(OperationAttempt, ["detail"], numbers),
        *cutting(BatchJob, ["selection", "reason", "decision_reason", "message"], numbers),
        *cutting(BatchJob, ["params"], numbers, Q(state__in=BatchJob.FINAL_STATES)),
        *cutting(BatchLine, ["text", "note", "refusal"], numbers),
        *cutting(BatchChunk, ["message"], numbers),
        *cutting(BatchInput, ["lines"], numbers),
    ]


def parts_of_user(user: User) -> list[Part]:
    """Their name in what the portal wrote of their acts. What people typed stays as they typed it."""
    named: dict[str, Any] = {"what": "the name in it", "letters": "0-9A-Za-z_"}
    name = [user.get_username()]
    return [
        *cutting(Operation, ["message"], name, **named),
        *cutting(OperationAttempt, ["detail"], name, **named),
        *cutting(BatchJob, ["message"], name, **named),
        *cutting(TimelineEvent, ["detail", "tellings"], name, Q(detail__has_key="settled_by"), **named),
    ]


def _without_values(row: Any) -> None:
    """Neither side is left, so that an undo finds nothing to bring back."""
    row.params = {}
    row.before = {**{name: value for name, value in row.before.items() if name != "custom_fields"}, "erased": True}
