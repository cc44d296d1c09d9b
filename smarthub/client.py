"""The carrier's API as typed methods. What each promises about the wire stands in `smarthub.calls`."""

import copy
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, TypeVar

from pydantic import ValidationError

from smarthub import contract
from smarthub.answers import doubtful
from smarthub.breaker import Breaker
from smarthub.budget import Budget, Lane
from smarthub.calls import CALLS, Call
from smarthub.contract import BatchKind, Effective, Page
from smarthub.errors import SmartHubError
from smarthub.exchange import Answer, Exchanger, origin
from smarthub.paging import count, page_of, with_giccid
from smarthub.tolerant import WireModel, why_unreadable
from smarthub.transport import OnBreaker, OnCall, Params, Transport
from smarthub.values import check_giccid, format_time, path_segment

M = TypeVar("M", bound=WireModel)
T = TypeVar("T")

MAX_GICCIDS_IN_QUERY = 100
DATA_CODINGS = frozenset({0, 1, 4})


class SmartHub:
    """A client of the carrier's API, for one lane of the call budget.

    Reads are retried and raise `Transient` when they fail; writes are sent once and raise `OutcomeUnknown`
    when no clear answer comes. All methods raise errors of `smarthub.errors`, and ValueError before any
    call for an argument that the contract does not allow. Safe to share between threads.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        budget: Budget | None = None,
        breaker: Breaker | None = None,
        lane: Lane = Lane.AGENT,
        connect_timeout: float = 3.0,
        read_timeout: float = 10.0,
        page_size: int = 100,
        read_retries: int = 3,
        retry_after_cap: float = 10.0,
        budget_timeout: float | None = None,
        user_agent: str = "smarthub-portal",
        max_response_bytes: int = 16 * 1024 * 1024,
        on_call: OnCall | None = None,
        request_id: Callable[[], str] | None = None,
        on_breaker: OnBreaker | None = None,
    ) -> None:
        """Times in seconds.

        `base_url` is taken literally, with or without `/v1`. `read_timeout` bounds the whole answer. A read
        waits for a `Retry-After` up to `retry_after_cap`. `budget_timeout` is how long a call waits for its
        turn; None is a default by lane. `on_call` is called after each HTTP call, see `transport.OnCall`;
        `on_breaker` when the `breaker` opens or closes. What `request_id` answers goes along as `X-Request-ID`
        (assumed: the carrier lets a header pass that it does not know), unless it is empty.
        """
        scheme, host, _ = origin(base_url)
        if scheme not in {"http", "https"} or not host:
            raise ValueError("the base URL is not an http or https address")
        if not api_key or not api_key.isascii() or not api_key.isprintable() or api_key != api_key.strip():
            raise ValueError("the API key is empty or holds characters that no header can carry")
        self.lane = lane
        self.page_size = page_size
        self._transport = Transport(
            base_url.rstrip("/"),
            api_key,
            Exchanger(
                connect_timeout=connect_timeout,
                read_timeout=read_timeout,
                max_response_bytes=max_response_bytes,
                user_agent=user_agent,
                request_id=request_id,
            ),
            budget=budget,
            budget_timeout=budget_timeout,
            read_retries=read_retries,
            retry_after_cap=retry_after_cap,
            call_timeout=connect_timeout + read_timeout,
            on_call=on_call,
            breaker=breaker,
            on_breaker=on_breaker,
        )

    def __repr__(self) -> str:
        """Lane and host; never the key."""
        scheme, host, port = origin(self._transport.base_url)
        return f"SmartHub({scheme}://{host}:{port}, lane={self.lane})"

    @property
    def budget(self) -> Budget | None:
        """The call budget this client takes from."""
        return self._transport.budget

    @property
    def breaker(self) -> Breaker | None:
        """What keeps calls back while the carrier is away."""
        return self._transport.breaker

    def with_lane(self, lane: Lane) -> "SmartHub":
        """The same client for another lane; connections and budget are shared."""
        other = copy.copy(self)
        other.lane = lane
        return other

    def with_turn(self) -> "SmartHub":
        """The same client with the turn in the call budget of its next call taken, after waiting for it as that
        call would.

        So one can note that a call is about to leave when it really is. For one call of one thread; a turn that is
        not used is lost. Raises BudgetDenied, BudgetUnavailable and CarrierAway.
        """
        other = copy.copy(self)
        other._transport = self._transport.with_turn(self.lane)
        return other

    # SIMs: reading

    def get_root(self) -> dict[str, Any]:
        """The endpoint categories, as the carrier lists them."""
        return self._ask("get_root")

    def get_sim(self, giccid: str) -> contract.Sim:
        """One SIM. Raises NotFound for a giccid that the carrier does not know."""
        call = CALLS["get_sim"]
        sim = self._object(call, contract.Sim, giccid=check_giccid(giccid))
        if sim.giccid != giccid:
            raise doubtful(call, "wrong_sim", 200)
        return sim

    def list_sims(
        self,
        *,
        account: str | None = None,
        status: str | None = None,
        giccids: Iterable[str] = (),
        page: int = 0,
        size: int | None = None,
    ) -> Page[contract.Sim]:
        """A page of SIMs in the order of giccid (assumed); at most 100 giccids to filter by."""
        wanted = [check_giccid(giccid) for giccid in giccids]
        if len(wanted) > MAX_GICCIDS_IN_QUERY:
            raise ValueError(f"at most {MAX_GICCIDS_IN_QUERY} giccids in one query")
        params = _given(accountName=account, status=status) + [("giccid", giccid) for giccid in wanted]
        return self._page("list_sims", contract.Sim.model_validate, params, page, size)

    def list_sims_unread(self, *, page: int = 0, size: int | None = None) -> Page[dict[str, Any]]:
        """A page of :meth:`list_sims` without a filter, its SIMs as they came.

        Nothing of them is looked at but the giccid, which is readable: `contract.Sim.model_validate` reads the rest
        and raises ValidationError (a ValueError) where it can't. Whoever has the same JSON already saves that.
        """
        return self._page("list_sims", with_giccid, [], page, size)

    def list_change_logs(
        self,
        *,
        account: str | None = None,
        giccid: str | None = None,
        type: str | None = None,  # noqa: A002 # the field's own word
        start: datetime | None = None,
        end: datetime | None = None,
        page: int = 0,
        size: int | None = None,
    ) -> Page[contract.ChangeEntry]:
        """A page of the change log: `start` to `end`, both inclusive, aware, at most 30 days back. No order."""
        params = _given(
            accountName=account,
            giccid=None if giccid is None else check_giccid(giccid),
            type=type,
            startTime=None if start is None else format_time(start),
            endTime=None if end is None else format_time(end),
        )
        return self._page("list_change_logs", contract.ChangeEntry.model_validate, params, page, size)

    def get_custom_fields(self, giccid: str) -> dict[str, str | None]:
        """The custom fields of a SIM; a field the carrier leaves out or sends unreadable is not in it."""
        answer = self._ask("get_custom_fields", giccid=check_giccid(giccid))
        return {name: value for name, value in answer.items() if value is None or isinstance(value, str)}

    # SIMs: writing

    def set_custom_fields(self, giccid: str, fields: Mapping[str, str]) -> None:
        """Set `custom1`…`custom5`; one left out keeps its value, an empty text empties it (assumed)."""
        if not fields or set(fields) - set(contract.CUSTOM_FIELDS):
            raise ValueError(f"custom fields are {', '.join(contract.CUSTOM_FIELDS)}, at least one")
        if not all(isinstance(value, str) for value in fields.values()):
            raise ValueError("a custom field is text")
        self._ask("set_custom_fields", payload=dict(fields), giccid=check_giccid(giccid))

    def activate(self, giccid: str) -> None:
        """Activate a SIM."""
        self._ask("activate", giccid=check_giccid(giccid))

    def deactivate(self, giccid: str) -> None:
        """Suspend a SIM."""
        self._ask("deactivate", giccid=check_giccid(giccid))

    def retire(self, giccid: str) -> None:
        """Retire a suspended SIM, for good."""
        self._ask("retire", giccid=check_giccid(giccid))

    def change_plan(self, giccid: str, code: str, effective: Effective | str = Effective.NOW) -> None:
        """Set the basic rate plan, now or from the next billing cycle on. Idempotent (assumed)."""
        payload = {"servicePackageCode": _text(code, "a plan code"), "effective": Effective(effective).value}
        self._ask("change_plan", payload=payload, giccid=check_giccid(giccid))

    def add_plan(self, giccid: str, code: str) -> contract.Subscription:
        """Buy a supplementary rate plan. NOT idempotent: two calls are two purchases."""
        payload = {"servicePackageCode": _text(code, "a plan code")}
        return self._object(CALLS["add_plan"], contract.Subscription, payload=payload, giccid=check_giccid(giccid))

    def set_apn(self, giccid: str, apn: str, status: contract.ApnStatus | str) -> None:
        """Switch an APN of a SIM on or off."""
        payload = {"apn": _text(apn, "an APN"), "status": contract.ApnStatus(status).value}
        self._ask("set_apn", payload=payload, giccid=check_giccid(giccid))

    # Batch jobs

    def submit_batch(
        self,
        kind: BatchKind | str,
        giccids: Iterable[str],
        *,
        plan: str | None = None,
        effective: Effective | str | None = None,
    ) -> str:
        """Hand in a batch job and return its id; the changes happen later (documented).

        `plan` and `effective` (default NOW) are for `BatchKind.SERVICE_PACKAGE` only.
        """
        kind = BatchKind(kind)
        payload: dict[str, Any] = {"giccids": [check_giccid(giccid) for giccid in giccids]}
        if not payload["giccids"]:
            raise ValueError("a batch job needs a SIM")
        if kind is BatchKind.SERVICE_PACKAGE:
            payload["servicePackageCode"] = _text(plan, "a plan code")
            payload["effective"] = Effective(effective or Effective.NOW).value
        elif plan is not None or effective is not None:
            raise ValueError("only a batch change of plan takes a plan")
        suffix = "change_plan" if kind is BatchKind.SERVICE_PACKAGE else kind.value.lower()
        call = CALLS[f"submit_batch_{suffix}"]
        job_id = self._ask(call.name, payload=payload).get("jobId")
        if isinstance(job_id, bool) or not isinstance(job_id, str | int) or not str(job_id):
            raise doubtful(call, "unreadable", 200)
        return str(job_id)

    def get_batch_job(self, job_id: str, page: int = 0, size: int | None = None) -> contract.BatchJob:
        """A batch job with one page of its items."""
        call = CALLS["get_batch_job"]
        job = self._object(call, contract.BatchJob, self._paging(page, size), job_id=job_id)
        if job.page is not None and job.page != page:
            raise doubtful(call, "wrong_page", 200)
        return job

    # Messages

    def send_sms(
        self, to_giccid: str, text: str, *, data_coding: int | None = None, tpvp: int | None = None
    ) -> contract.SmsAccepted:
        """Send a message. NOT idempotent. `data_coding` 0, 1 or 4 (then `text` is hex), `tpvp` 0–255."""
        payload: dict[str, Any] = {
            "toGiccid": check_giccid(to_giccid),
            "messageText": _text(text, "the message"),
        }
        if data_coding is not None:
            if data_coding not in DATA_CODINGS:
                raise ValueError("the data coding is 0, 1 or 4")
            payload["dataCoding"] = int(data_coding)
        if tpvp is not None:
            if not 0 <= tpvp <= 255:
                raise ValueError("tpvp is 0 to 255")
            payload["tpvp"] = int(tpvp)
        return self._object(CALLS["send_sms"], contract.SmsAccepted, payload=payload)

    def get_sms(self, sms_id: str) -> contract.SmsMessage:
        """A sent message and its state."""
        return self._object(CALLS["get_sms"], contract.SmsMessage, sms_id=sms_id)

    # Accounts, plans, pools, statistics

    def get_enterprise(self) -> contract.Enterprise:
        """The enterprise of the key and its accounts."""
        return self._object(CALLS["get_enterprise"], contract.Enterprise)

    def get_account(self, name: str) -> contract.Account:
        """Charges and SIM counts of an account."""
        return self._object(CALLS["get_account"], contract.Account, account=name)

    def list_plans(self, account: str, page: int = 0, size: int | None = None) -> Page[contract.Plan]:
        """A page of the rate plans of an account."""
        return self._page("list_plans", contract.Plan.model_validate, [], page, size, account=account)

    def list_pools(self, account: str | None = None, page: int = 0, size: int | None = None) -> Page[contract.Pool]:
        """A page of share pools."""
        return self._page("list_pools", contract.Pool.model_validate, _given(accountName=account), page, size)

    def country_statistics(self, account: str | None = None, month: str | None = None) -> contract.CountryStatistics:
        """Usage by country of a month (`YYYY-MM`)."""
        params = _given(accountName=account, month=month)
        return self._object(CALLS["country_statistics"], contract.CountryStatistics, params)

    # How a call becomes an object

    def probe(self, call: Call, path: str, params: Params = ()) -> Answer:
        """Make a reading call once and return the answer as it is (for the contract check)."""
        return self._transport.probe(call, path, self.lane, params)

    def _ask(self, name: str, params: Params = (), payload: Any = None, **segments: str) -> dict[str, Any]:
        call = CALLS[name]
        path = fill_path(call, segments)
        answer: dict[str, Any] = self._transport.request(call, path, self.lane, params, payload)
        return answer

    def _object(self, call: Call, model: type[M], params: Params = (), payload: Any = None, **segments: str) -> M:
        answer = self._ask(call.name, params, payload, **segments)
        failure: SmartHubError
        try:
            return model.model_validate(answer)
        except ValidationError as error:
            failure = doubtful(call, "unreadable", 200)
            failure.detail = why_unreadable(error)
        raise failure

    def _paging(self, page: int, size: int | None) -> list[tuple[str, str]]:
        size = self.page_size if size is None else size
        if page < 0 or size < 1:
            raise ValueError("a page counts from 0 and has a size of at least 1")
        return [("page", str(page)), ("size", str(size))]

    def _page(
        self,
        name: str,
        read: Callable[[dict[str, Any]], T],
        params: Params,
        page: int,
        size: int | None,
        **segments: str,
    ) -> Page[T]:
        asked = self._paging(page, size)
        answer = self._ask(name, [*params, *asked], **segments)
        call = CALLS[name]
        if not isinstance(answer.get("data"), list):
            raise doubtful(call, "wrong_type", 200)
        if count(answer.get("page"), page) != page:
            # Walking on would read one page again and again and take it for the whole list.
            raise doubtful(call, "wrong_page", 200)
        return page_of(read, answer, page, int(asked[1][1]))


def fill_path(call: Call, segments: Mapping[str, str]) -> str:
    """The call's path with its segments quoted; ValueError for one that can't stand in a path."""
    return call.path.format(**{name: path_segment(value, name) for name, value in segments.items()})


def _given(**params: str | None) -> list[tuple[str, str]]:
    return [(name, str(value)) for name, value in params.items() if value is not None]


def _text(value: object, what: str) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{what} is needed")
    return value
