"""Which request is running: set by the middleware, carried into logs, tasks and the audit trail."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True)
class RequestContext:
    """The request's id (a UUID as text) and the client's address; both empty outside of a request."""

    request_id: str = ""
    address: str | None = None


_NONE = RequestContext()
_current: ContextVar[RequestContext] = ContextVar("request_context", default=_NONE)


def current_request() -> RequestContext:
    """The running request's context."""
    return _current.get()


def set_request(context: RequestContext) -> None:
    """Make ``context`` the running request's."""
    _current.set(context)
