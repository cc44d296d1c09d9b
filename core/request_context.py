"""Which request is running: set by the middleware, carried into logs, tasks, carrier calls and the audit trail."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass

import structlog


@dataclass(frozen=True)
class RequestContext:
    """The request's id (a UUID as text) and the client's address; both empty outside of a request."""

    request_id: str = ""
    address: str | None = None


_NONE = RequestContext()
_current: ContextVar[RequestContext] = ContextVar("request_context", default=_NONE)


def current_request() -> RequestContext:
    """The running request's context; in a worker that of the request which led to the task."""
    return _current.get()


def set_request(context: RequestContext) -> None:
    """Make ``context`` the running request's; log lines name its id from now on."""
    _current.set(context)
    if context.request_id:
        structlog.contextvars.bind_contextvars(request_id=context.request_id)
    else:
        structlog.contextvars.unbind_contextvars("request_id")
