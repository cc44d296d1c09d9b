"""What can go wrong at the carrier, by what the caller may do next.

`str()` and `repr()` of these hold the call, the status and codes, never the key, a body or personal data;
the carrier's own words are in `detail` and `field_errors`, for a screen.
"""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple


class FieldError(NamedTuple):
    """One element of the documented `errors` list; an absent part is None."""

    resource: str | None
    field: str | None
    code: str | None


class SmartHubError(Exception):
    """Base of all errors of the carrier's API."""

    outcome: ClassVar[str] = "error"

    def __init__(
        self,
        code: str,
        *,
        call: str = "",
        status: int | None = None,
        detail: str = "",
        field_errors: Sequence[FieldError] = (),
        codes: Sequence[str] = (),
        retry_after: float | None = None,
        request_id: str | None = None,
    ) -> None:
        """Keep the facts: `code` is the carrier's code where it gave one, else ours (`timeout`, `reset`, …)."""
        self.code = code
        self.call = call
        self.status = status
        self.detail = detail
        self.field_errors = tuple(field_errors)
        self.codes = tuple(codes) or (code,)
        self.retry_after = retry_after
        self.request_id = request_id
        super().__init__(code)

    def __str__(self) -> str:
        """Call, status, codes and the carrier's request id."""
        parts = [f"{self.call or 'call'}: {', '.join(dict.fromkeys((self.code, *self.codes)))}"]
        if self.status is not None:
            parts.append(f"status {self.status}")
        if self.request_id:
            parts.append(f"request {self.request_id}")
        return ", ".join(parts)

    def __repr__(self) -> str:
        """Class and what str() says."""
        return f"{type(self).__name__}({str(self)!r})"

    def __reduce__(self) -> tuple[Callable[..., "SmartHubError"], tuple[Any, ...]]:
        """Survive pickling, which task queues do to exceptions."""
        return _rebuild, (type(self), dict(self.__dict__))


def _rebuild(kind: type[SmartHubError], state: dict[str, Any]) -> SmartHubError:
    error = kind.__new__(kind)
    Exception.__init__(error, state["code"])
    error.__dict__.update(state)
    return error


class Transient(SmartHubError):
    """Nothing happened at the carrier; the same call may be made again later.

    A call that never left (no connection, no budget), or any failed read.
    """

    outcome = "transient"


class RateLimited(Transient):
    """The carrier asks to slow down (429): nothing happened. `retry_after`: seconds to wait, or None."""

    outcome = "rate_limited"


class BudgetDenied(Transient):
    """The shared call budget gave no slot in time; the call was not made."""

    outcome = "budget_denied"


class BudgetUnavailable(Transient):
    """Valkey, where the call budget lives, can't be reached; the call was not made."""

    outcome = "budget_unavailable"


class CarrierAway(Transient):
    """The carrier has not answered for a while (`smarthub.breaker`): the call certainly was not made.

    `retry_after`: seconds until somebody may ask again whether it answers.
    """

    outcome = "carrier_away"


class Rejected(SmartHubError):
    """The carrier says no (4xx); nothing changed and the same call would be refused again."""

    outcome = "rejected"


class NotFound(Rejected):
    """The resource asked for does not exist at the carrier."""

    outcome = "not_found"


class AuthFailed(Rejected):
    """The key is wrong (401) or may not do this (403)."""

    outcome = "auth_failed"


class OutcomeUnknown(SmartHubError):
    """A write left and no clear answer came: it may have happened. Read back; never send it again blindly."""

    outcome = "unknown"
