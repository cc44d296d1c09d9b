"""Refusals of a call, in the documented error shape."""

from typing import Any

TITLES = {
    400: "Bad Request",
    401: "Invalid api key",
    403: "Access forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    422: "Validation Failed",
    429: "Too Many Requests",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}


def error_body(status: int, *, detail: str | None = None, errors: list[dict[str, str]] | None = None) -> dict[str, Any]:
    """The documented error object; ``detail`` and ``errors`` only where there is something to say."""
    body: dict[str, Any] = {"type": "about:blank", "title": TITLES.get(status, "Error"), "status": status}
    if detail:
        body["detail"] = detail
    if errors:
        body["errors"] = errors
    return body


class Refused(Exception):
    """A call that the carrier does not carry out; nothing was changed."""

    def __init__(self, status: int, detail: str | None = None, errors: list[dict[str, str]] | None = None) -> None:
        super().__init__(detail or TITLES.get(status, "refused"))
        self.status = status
        self.body = error_body(status, detail=detail, errors=errors)

    @property
    def code(self) -> str:
        """The first code of the errors, or an empty text."""
        errors = self.body.get("errors") or [{}]
        return str(errors[0].get("code", ""))


def invalid(resource: str, field: str, code: str = "invalid") -> Refused:
    """422 with one field error (documented shape)."""
    return Refused(422, errors=[{"resource": resource, "field": field, "code": code}])


def missing(resource: str, field: str) -> Refused:
    """404 with code ``missing`` (assumed status, documented code)."""
    return Refused(404, errors=[{"resource": resource, "field": field, "code": "missing"}])


def illegal_status() -> Refused:
    """422 with code ``illegal_status`` (documented code, assumed place)."""
    return invalid("globalSim", "status", "illegal_status")


def bad_request(detail: str = "Body should be a JSON object") -> Refused:
    """400 for a body that is not JSON or has a value of the wrong type (documented)."""
    return Refused(400, detail)
