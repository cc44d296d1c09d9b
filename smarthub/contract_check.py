"""Compare the real service with the contract: what an operator runs on the day the key arrives.

Every reading endpoint is called once, never a writing one. The result holds names of fields and numbers,
never a key, a giccid, a name of an account or any other value of the customer's, so that its text can be
pasted into a bug report.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, get_args

from pydantic import ValidationError

from smarthub import errors
from smarthub.answers import load_json
from smarthub.calls import CALLS, Call
from smarthub.client import SmartHub, fill_path
from smarthub.contract import CUSTOM_FIELDS
from smarthub.exchange import Answer
from smarthub.marks import Documented, Known, Mark
from smarthub.tolerant import WireModel
from smarthub.values import is_giccid, path_segment

_FIELD_NAME = re.compile(r"[A-Za-z_][A-Za-z_]{0,39}[0-9]{0,2}\Z")
_PLAIN_WORD = re.compile(r"[A-Za-z][A-Za-z_]{0,39}\Z")
_DOCUMENTED_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4}\Z")
# An id that no carrier gives out: asked for when none is known, and expected to be answered 404.
_NO_SUCH_ID = "contract-check"
_PAGE_FIELDS = ("data", "page", "size", "total")


class Verdict(StrEnum):
    """How an endpoint did."""

    HELD = "held"
    DIFFERS = "differs"
    CONTRADICTED = "contradicted"
    UNREACHABLE = "unreachable"
    SKIPPED = "skipped"


@dataclass
class Endpoint:
    """What was found at one endpoint; all texts are free of personal data."""

    call: Call
    reachable: bool = False
    status: int | None = None
    skipped: str = ""
    present: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    unknown_values: list[str] = field(default_factory=list)
    contradictions: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def verdict(self) -> Verdict:
        """The endpoint in one word."""
        if self.skipped:
            return Verdict.SKIPPED
        if self.contradictions:
            return Verdict.CONTRADICTED
        if not self.reachable:
            return Verdict.UNREACHABLE
        return Verdict.DIFFERS if self.unreadable or self.unknown_values or self.notes else Verdict.HELD


@dataclass
class CheckResult:
    """All endpoints, and whether the documentation holds."""

    endpoints: list[Endpoint]

    @property
    def contradicted(self) -> bool:
        """Whether any documented fact is contradicted."""
        return any(endpoint.contradictions for endpoint in self.endpoints)

    @property
    def exit_status(self) -> int:
        """0: the documented facts hold; 1: one is contradicted; 2: a documented endpoint gave no answer."""
        if self.contradicted:
            return 1
        lost = any(
            endpoint.verdict is Verdict.UNREACHABLE and isinstance(endpoint.call.mark, Documented)
            for endpoint in self.endpoints
        )
        return 2 if lost else 0


@dataclass
class _Known:
    """What can be asked about, by the name of the path's segment, and what must not be shown."""

    segments: dict[str, str]
    private: set[str] = field(default_factory=set)


def check_contract(client: SmartHub, *, job_id: str | None = None, sms_id: str | None = None) -> CheckResult:
    """Call every reading endpoint once and compare its answer with the contract.

    `job_id` and `sms_id` name a real batch job and message where the operator has them; without, the
    endpoint is asked for an id that does not exist. Raises nothing of the carrier's: errors are findings.
    """
    known = _Known({"job_id": job_id or _NO_SUCH_ID, "sms_id": sms_id or _NO_SUCH_ID})
    reading = [call for call in CALLS.values() if call.is_read]
    # The list of SIMs names a SIM and an account to ask about; the rest needs no order.
    reading.sort(key=lambda call: (call.name not in {"get_enterprise", "list_sims"}, "{" in call.path))
    found = {call.name: _check(client, call, known) for call in reading}
    return CheckResult([found[name] for name in CALLS if name in found])


def _check(client: SmartHub, call: Call, known: _Known) -> Endpoint:
    endpoint = Endpoint(call)
    names = re.findall(r"{(\w+)}", call.path)
    if missing := [name for name in names if name not in known.segments]:
        endpoint.skipped = f"no {missing[0]} is known to ask about"
        return endpoint
    params = [("page", "0"), ("size", "100")] if call.shape == "page" or call.name == "get_batch_job" else []
    invented = any(known.segments[name] == _NO_SUCH_ID for name in names)
    try:
        path = fill_path(call, {name: known.segments[name] for name in names})
        answer = client.probe(call, path, params)
    except errors.SmartHubError as error:
        endpoint.status = error.status
        endpoint.notes.append(f"no answer: {error.code}")
        return endpoint
    endpoint.status = answer.status
    if 200 <= answer.status < 300:
        _check_success(endpoint, answer, known)
    else:
        _check_error(endpoint, answer, invented=invented)
    return endpoint


def _check_error(endpoint: Endpoint, answer: Answer, *, invented: bool) -> None:
    call, status = endpoint.call, answer.status
    try:
        problem = load_json(answer.body)
    except ValueError:
        problem = None
    shaped = isinstance(problem, dict) and isinstance(problem.get("title"), str)
    if status in {404, 405, 410}:
        if invented and shaped and status == 404:
            endpoint.reachable = True
            if b'"missing"' not in answer.body:
                endpoint.notes.append("an unknown id is answered without the code 'missing' (assumed)")
        elif isinstance(call.mark, Documented) and not invented:
            endpoint.contradictions.append(f"the documented path is answered {status}")
        else:
            endpoint.notes.append(f"the path is answered {status}: it may not exist")
        return
    if status in {401, 403}:
        endpoint.notes.append("the key is refused")
    elif status < 500 and status != 429:
        endpoint.reachable = True
        endpoint.notes.append(f"our request is answered {status}")
    else:
        endpoint.notes.append(f"answered {status}")
    if 400 <= status < 500 and status != 429 and not shaped:
        endpoint.contradictions.append("the error is not the documented JSON object with a title")


def _check_success(endpoint: Endpoint, answer: Answer, known: _Known) -> None:
    call = endpoint.call
    endpoint.reachable = True
    try:
        value = load_json(answer.body)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        if call.name != "get_root" or not isinstance(value, list):
            endpoint.contradictions.append("the answer is not a JSON object (JSON out is documented)")
        return
    _remember(call, value, known)
    secrets = frozenset(known.private)
    if call.name == "get_custom_fields":
        _sort_names(endpoint, "", CUSTOM_FIELDS, [value], secrets)
    elif call.shape == "page":
        _check_page(endpoint, value, secrets)
    elif call.model is not None:
        _check_objects(endpoint, call.model, [value], "", secrets)


def _remember(call: Call, value: dict[str, Any], known: _Known) -> None:
    """Note a SIM and an account that later calls can ask about."""
    listed = value.get({"list_sims": "data", "get_enterprise": "accounts"}.get(call.name, ""))
    for item in listed if isinstance(listed, list) else ():
        if not isinstance(item, dict):
            continue
        if call.name == "list_sims" and is_giccid(item.get("giccid")):
            known.segments.setdefault("giccid", item["giccid"])
        name = item.get("accountName" if call.name == "list_sims" else "name")
        if isinstance(name, str) and _is_segment(name):
            known.segments.setdefault("account", name)
            known.private.add(name)


def _is_segment(name: str) -> bool:
    try:
        return bool(path_segment(name, "account"))
    except ValueError:
        return False


def _check_page(endpoint: Endpoint, value: dict[str, Any], secrets: frozenset[str]) -> None:
    call = endpoint.call
    _sort_names(endpoint, "", _PAGE_FIELDS, [value], secrets)
    documented = isinstance(call.page_mark, Documented)
    complain = endpoint.contradictions if documented else endpoint.notes
    if missing := [name for name in _PAGE_FIELDS if name not in value]:
        complain.append(f"the page has no {', '.join(missing)}")
    if value.get("page", 0) != 0:
        complain.append("pages are not counted from 0")
    items = value.get("data")
    if not isinstance(items, list):
        if "data" in value:
            complain.append("data is not a list")
        return
    objects = [item for item in items if isinstance(item, dict)]
    if len(objects) < len(items):
        complain.append("an element of data is not an object")
    if not objects:
        endpoint.notes.append("the page is empty: its fields could not be checked")
    elif call.model is not None:
        _check_objects(endpoint, call.model, objects, "data[].", secrets)


def _check_objects(
    endpoint: Endpoint, model: type[WireModel], objects: list[dict[str, Any]], prefix: str, secrets: frozenset[str]
) -> None:
    """Compare objects of one type with the model, nested ones too."""
    aliases = {str(info.alias): name for name, info in model.model_fields.items()}
    _sort_names(endpoint, prefix, tuple(aliases), objects, secrets)
    for alias, name in aliases.items():
        info = model.model_fields[name]
        path = f"{prefix}{alias}"
        sent = [item[alias] for item in objects if alias in item]
        documented = any(isinstance(item, Documented) for item in info.metadata)
        if documented and len(sent) < len(objects):
            endpoint.contradictions.append(f"the documented field {path} is absent")
        values = [value for value in sent if value is not None]
        if bad := sum(not _readable(model, alias, value) for value in values):
            finding = f"{path} can't be read in {bad} of {len(objects)}"
            (endpoint.contradictions if documented else endpoint.unreadable).append(finding)
        elif documented and _is_time(alias) and any(not _DOCUMENTED_TIME.match(str(v)) for v in values):
            endpoint.notes.append(f"{path} is a time, but not in the documented form")
        for mark in info.metadata:
            if isinstance(mark, Known):
                endpoint.unknown_values += _unknown_values(path, mark, values, secrets)
        if inner := _inner_model(info.annotation):
            nested = [item for value in values for item in (value if isinstance(value, list) else [value])]
            dicts = [item for item in nested if isinstance(item, dict)]
            if dicts:
                mark_of_list = "[]." if any(isinstance(value, list) for value in values) else "."
                _check_objects(endpoint, inner, dicts, path + mark_of_list, secrets)


def _sort_names(
    endpoint: Endpoint,
    prefix: str,
    expected: tuple[str, ...],
    objects: list[dict[str, Any]],
    secrets: frozenset[str],
) -> None:
    sent = {name for item in objects for name in item}
    endpoint.present += [prefix + name for name in expected if name in sent]
    endpoint.absent += [prefix + name for name in expected if name not in sent]
    extra = sorted(sent - set(expected))
    shown = [name for name in extra if _FIELD_NAME.match(name) and name not in secrets]
    endpoint.unknown += [prefix + name for name in shown]
    if hidden := len(extra) - len(shown):
        endpoint.unknown.append(f"{prefix}({hidden} names not shown)")


def _readable(model: type[WireModel], alias: str, value: Any) -> bool:
    """Whether this one field can be read; what is nested in it is looked at on its own."""
    try:
        read = model.model_validate({alias: value})
    except ValidationError as error:
        return all(line["loc"][0] != alias for line in error.errors(include_input=False))
    own = re.compile(re.escape(alias) + r"(\[\d+\]|\.\*)?\Z")
    return not any(own.match(path) for path in read.unreadable)


def _is_time(alias: str) -> bool:
    return alias.endswith("Time")


def _unknown_values(path: str, mark: Known, values: list[Any], secrets: frozenset[str]) -> Iterator[str]:
    known = {item.value for item in mark.values}
    strange = {value for value in values if isinstance(value, str) and value not in known}
    shown = sorted(value for value in strange if _PLAIN_WORD.match(value) and value not in secrets)
    yield from (f"{path}={value}" for value in shown)
    if hidden := len(strange) - len(shown):
        yield f"{path}=({hidden} values not shown)"


def _inner_model(annotation: Any) -> type[WireModel] | None:
    """The nested type in `Model`, `Model | None` or `list[Model] | None`."""
    if isinstance(annotation, type) and issubclass(annotation, WireModel):
        return annotation
    return next((inner for part in get_args(annotation) if (inner := _inner_model(part))), None)


def render(result: CheckResult) -> str:
    """The result as text for a terminal or a bug report."""
    blocks = [_render_endpoint(endpoint) for endpoint in result.endpoints]
    counts: Mapping[str, int] = {
        verdict: sum(endpoint.verdict is verdict for endpoint in result.endpoints) for verdict in Verdict
    }
    summary = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
    ending = {
        0: "No documented fact is contradicted.",
        1: "A documented fact is contradicted.",
        2: "A documented endpoint gave no usable answer.",
    }[result.exit_status]
    return "\n\n".join([*blocks, f"{summary}. {ending}"])


def _render_endpoint(endpoint: Endpoint) -> str:
    call = endpoint.call
    status = "no status" if endpoint.status is None else f"status {endpoint.status}"
    reach = endpoint.skipped or f"{'reachable' if endpoint.reachable else 'not reachable'}, {status}"
    lines = [f"{call.method} {call.path} ({_word(call.mark)}): {endpoint.verdict}, {reach}"]
    listed = {
        "CONTRADICTED": endpoint.contradictions,
        "expected and present": endpoint.present,
        "expected and absent": endpoint.absent,
        "present and unknown": endpoint.unknown,
        "could not be read": endpoint.unreadable,
        "unknown values": endpoint.unknown_values,
        "note": endpoint.notes,
    }
    lines += [f"  {title}: {', '.join(items)}" for title, items in listed.items() if items]
    return "\n".join(lines)


def _word(mark: Mark) -> str:
    return "documented" if isinstance(mark, Documented) else "assumed"
