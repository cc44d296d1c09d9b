"""Why an operation is not taken. Each says what the person who asked may do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from django.forms import BaseForm

    from operations.models import Operation


class OperationRefused(Exception):
    """Base of all refusals; nothing was written. ``str()`` is a sentence for the person who asked."""


class NotAllowed(OperationRefused):
    """The person's role does not reach (403)."""


class Invalid(OperationRefused):
    """What was given can't be used (422). ``form`` is the bound form that holds the errors by field."""

    def __init__(self, form: BaseForm) -> None:
        self.form = form
        super().__init__(" ".join(str(message) for messages in form.errors.values() for message in messages))

    @property
    def errors(self) -> dict[str, list[str]]:
        """Messages by field name; ``__all__`` for those of no single field."""
        return {name: [str(message) for message in messages] for name, messages in self.form.errors.items()}


class Conflict(OperationRefused):
    """The state of the SIM, or another operation on it, stands against it (409).

    ``operation`` is that other one, when there is one.
    """

    def __init__(self, sentence: str, operation: Operation | None = None) -> None:
        self.operation = operation
        super().__init__(sentence)


class PlanChanged(Conflict):
    """A plan that had become old was checked again and is not what the person saw (409)."""
