"""From an HTTP answer to JSON or to one of our errors. No network here."""

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from smarthub import errors
from smarthub.calls import Call
from smarthub.errors import FieldError
from smarthub.exchange import Answer, Secret

_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}\Z")
_REQUEST_ID = re.compile(r"[A-Za-z0-9_.:-]{1,80}\Z")
_REQUEST_ID_HEADERS = ("X-Request-Id", "X-Correlation-Id", "X-Amzn-Trace-Id")
# NUL and lone surrogates are legal in JSON and legal in no database.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_HINT_OF_UNSTORABLE = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
_OUR_OWN_SIM = frozenset({None, "", "giccid", "toGiccid"})


def load_json(body: bytes) -> Any:
    """Parse a body. Raises ValueError for what is not JSON.

    NaN and infinities become None and characters that no database stores become U+FFFD, so that the
    result can be kept as it is.
    """
    try:
        value = json.loads(body, parse_constant=lambda _: None, parse_float=_finite)
        return _storable(value) if _HINT_OF_UNSTORABLE.search(body) else value
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        # A pair of surrogates is one character here already; what is left over is alone.
        return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", value)
    if isinstance(value, list):
        return [_storable(item) for item in value]
    if isinstance(value, dict):
        return {_storable(key): _storable(item) for key, item in value.items()}
    return value


def retry_after(headers: Mapping[str, str]) -> float | None:
    """`Retry-After` as seconds from now (number or HTTP date), never negative; None when absent or unreadable."""
    text = headers.get("Retry-After", "").strip()
    try:
        if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text, re.ASCII):
            return float(text)
        moment = parsedate_to_datetime(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return max(0.0, (moment - datetime.now(UTC)).total_seconds())
    except (ValueError, OverflowError):
        return None


def read_answer(call: Call, answer: Answer, secret: Secret) -> Any:
    """The JSON of a 2xx answer (`{}` for a 204).

    Raises an error of `smarthub.errors` for every other answer, and for a 2xx that is not a JSON object:
    `Transient` on a read, `OutcomeUnknown` on a write, for then nobody knows who answered.
    """
    if 200 <= answer.status < 300:
        if answer.status == 204:
            return {}
        try:
            value = load_json(answer.body)
        except ValueError:
            value, code = None, "not_json"
        else:
            code = "wrong_type"
        if isinstance(value, dict):
            return value
        raise doubtful(call, code, answer.status, request_id=request_id(answer, secret))
    raise error_of(call, answer, secret)


def doubtful(
    call: Call,
    code: str,
    status: int | None = None,
    *,
    retry_after: float | None = None,
    request_id: str | None = None,
) -> errors.SmartHubError:
    """No clear answer: harmless for a read, of unknown outcome for a write."""
    kind = errors.Transient if call.is_read else errors.OutcomeUnknown
    return kind(code, call=call.name, status=status, retry_after=retry_after, request_id=request_id)


def request_id(answer: Answer, secret: Secret) -> str | None:
    """The carrier's id of the request, when it sends one that is safe to show."""
    for name in _REQUEST_ID_HEADERS:
        text = answer.headers.get(name, "")
        if _REQUEST_ID.match(text) and secret.reveal() not in text:
            return text
    return None


def error_of(call: Call, answer: Answer, secret: Secret) -> errors.SmartHubError:
    """The error that an answer outside 2xx stands for."""
    status = answer.status
    ident = request_id(answer, secret)
    wait = retry_after(answer.headers)
    if status == 429:
        return errors.RateLimited("rate_limited", call=call.name, status=status, retry_after=wait, request_id=ident)
    if not 400 <= status < 500 or status == 408:
        # 408 comes from gateways too, after they have passed the request on.
        code = "server_error" if status >= 500 else f"http_{status}"
        return doubtful(call, code, status, retry_after=wait, request_id=ident)
    problem = _problem(answer)
    if problem is None and status == 404 and call.is_read:
        # Some gateway's page, not the carrier's word that a SIM does not exist.
        return errors.Transient("not_json", call=call.name, status=status, request_id=ident)
    problem = problem or {}
    field_errors = _field_errors(problem, secret)
    codes = _codes(problem, field_errors, secret) or [f"http_{status}"]
    detail = _text(problem.get("detail") or problem.get("message") or problem.get("title"), secret, 500)
    kind = _kind(answer, codes, field_errors, is_problem=bool(problem) or not answer.body.strip())
    return kind(
        codes[0],
        call=call.name,
        status=status,
        detail=detail or "",
        field_errors=field_errors,
        codes=codes,
        request_id=ident,
    )


def _kind(
    answer: Answer, codes: list[str], field_errors: list[FieldError], *, is_problem: bool
) -> type[errors.Rejected]:
    if answer.status in {401, 403}:
        return errors.AuthFailed
    # `missing` may also speak of another thing in the body, an unknown plan for example.
    elsewhere = any(error.field not in _OUR_OWN_SIM for error in field_errors)
    if is_problem and not elsewhere and (answer.status in {404, 410} or "missing" in codes):
        return errors.NotFound
    return errors.Rejected


def _problem(answer: Answer) -> dict[str, Any] | None:
    """The body as a JSON object; an empty body is an empty object, anything else None."""
    if not answer.body.strip():
        return {}
    try:
        value = load_json(answer.body)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _field_errors(problem: dict[str, Any], secret: Secret) -> list[FieldError]:
    listed = problem.get("errors")
    if not isinstance(listed, list):
        return []
    return [
        FieldError(*(_text(item.get(name), secret, 100) for name in ("resource", "field", "code")))
        for item in listed[:100]
        if isinstance(item, dict)
    ]


def _codes(problem: dict[str, Any], field_errors: list[FieldError], secret: Secret) -> list[str]:
    """All codes, those of single fields first: they are the more precise ones."""
    found = [error.code for error in field_errors] + [problem.get("code")]
    return list(
        dict.fromkeys(
            code for code in found if isinstance(code, str) and _CODE.match(code) and secret.reveal() not in code
        )
    )


def _text(value: object, secret: Secret, limit: int) -> str | None:
    if not isinstance(value, str):
        return None
    return value.replace(secret.reveal(), "***")[:limit]
