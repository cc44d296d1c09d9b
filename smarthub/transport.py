"""How calls are made: budget, redirects, retries of reads, errors by class, a hook for each HTTP call."""

import copy
import json
import logging
import random
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit, urlunsplit

from smarthub import errors
from smarthub.answers import doubtful, error_of, read_answer
from smarthub.breaker import OPEN, PROBE, Admission, Breaker
from smarthub.budget import Budget, Lane
from smarthub.calls import CALLS, Call
from smarthub.exchange import Answer, ExchangeFailed, Exchanger, Secret, origin

logger = logging.getLogger(__name__)

# Gets: call name, HTTP method, outcome, status or None, seconds, lane. Outcomes are the `outcome` of the
# error classes, `ok`, and `redirect` for an answer that sent us on. `carrier_away` is a call that did not leave.
OnCall = Callable[[str, str, str, int | None, float, Lane], None]
# Gets `opened` or `closed` when a call of this process did that to the breaker.
OnBreaker = Callable[[str], None]
Params = Sequence[tuple[str, str]]

MAX_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 307, 308})
_BACKOFF_BASE = 0.2
_BACKOFF_CAP = 5.0
# How long a lane waits for the shared budget before it gives up, in seconds. The agent's lane hardly waits, since it
# comes first; when it does (a 429 paused everything), its row is tried again later rather than outliving its claim.
BUDGET_PATIENCE: Mapping[Lane, float] = {Lane.AGENT: 1.5, Lane.PUSH: 30.0, Lane.BULK: 10.0, Lane.SYNC: 120.0}
_NOT_SENT = (errors.BudgetDenied, errors.BudgetUnavailable, errors.CarrierAway)
_PROBE = CALLS["get_root"]
"""What is asked to find out whether the carrier answers again: the cheapest of its reads."""
_NOT_WORTH_REPEATING = frozenset({"redirect_refused", "bad_url", "too_large", "wrong_type"})


class Transport:
    """Makes the calls of the contract. One for all lanes of a client; safe to share between threads."""

    def __init__(
        self,
        base_url: str,
        api_key: str,
        exchanger: Exchanger,
        *,
        budget: Budget | None,
        budget_timeout: float | None,
        read_retries: int,
        retry_after_cap: float,
        call_timeout: float,
        on_call: OnCall | None,
        breaker: Breaker | None = None,
        on_breaker: OnBreaker | None = None,
    ) -> None:
        """`call_timeout`: seconds that one try, with its redirects, may take."""
        self.base_url = base_url
        self.secret = Secret(api_key)
        self.budget = budget
        self._exchanger = exchanger
        self._budget_timeout = budget_timeout
        self._read_retries = read_retries
        self._retry_after_cap = retry_after_cap
        self._call_timeout = call_timeout
        self._on_call = on_call
        self.breaker = breaker
        self._on_breaker = on_breaker
        self._turn: Admission | None = None

    def with_turn(self, lane: Lane) -> "Transport":
        """The same transport with the turn of its next request taken from the budget; for one call of one thread.

        Raises BudgetDenied, BudgetUnavailable and CarrierAway.
        """
        turn = self._take_turn(None, lane)
        other = copy.copy(self)
        other._turn = turn
        return other

    def request(self, call: Call, path: str, lane: Lane, params: Params = (), payload: Any = None) -> Any:
        """Make a call and return the JSON object of its answer; reads are repeated, writes never.

        Raises an error of `smarthub.errors`.
        """
        tries = 1 + (self._read_retries if call.is_read else 0)
        for attempt in range(tries):
            failure: errors.Transient
            try:
                return read_answer(call, self._try(call, path, lane, params, payload), self.secret)
            except _NOT_SENT:
                raise
            except errors.Transient as error:
                failure = error
            delay = self._delay(failure, attempt)
            if not call.is_read or attempt + 1 == tries or delay is None:
                raise failure
            time.sleep(delay)
        raise AssertionError("unreachable: the last try returns or raises")

    def probe(self, call: Call, path: str, lane: Lane, params: Params = ()) -> Answer:
        """Make a reading call once and return its answer as it is, whatever its status (contract check)."""
        if not call.is_read:
            raise ValueError("only reading calls can be probed")
        return self._try(call, path, lane, params, None)

    def _delay(self, failure: errors.Transient, attempt: int) -> float | None:
        """Seconds to wait before the next try; None when another try makes no sense."""
        if failure.code in _NOT_WORTH_REPEATING:
            return None
        backoff: float = min(_BACKOFF_CAP, _BACKOFF_BASE * 2**attempt) * random.uniform(0.5, 1.0)  # noqa: S311 # spreads load
        if failure.retry_after is None:
            return backoff
        if failure.retry_after > self._retry_after_cap:
            return None
        return max(failure.retry_after, backoff)

    def _try(self, call: Call, path: str, lane: Lane, params: Params, payload: Any) -> Answer:
        """One try of a call: the request and the redirects it leads to."""
        url = self.base_url + path + (f"?{urlencode(list(params))}" if params else "")
        body = None if payload is None else json.dumps(payload, separators=(",", ":")).encode()
        home = origin(self.base_url)
        deadline: float | None = None
        for _ in range(MAX_REDIRECTS + 1):
            turn = self._take_turn(call, lane)
            deadline = deadline or time.monotonic() + self._call_timeout
            answer = self._exchange(call, url, body, lane, turn, at_home=origin(url) == home, deadline=deadline)
            if answer.status not in _REDIRECTS:
                return answer
            url = self._next_url(call, url, answer)
        raise _refused(call, answer.status)

    def _take_turn(self, call: Call | None, lane: Lane) -> Admission:
        """Wait until a request may leave: the breaker lets it, and its turn in the budget has come."""
        if self._turn is not None:
            turn, self._turn = self._turn, None
            return turn
        try:
            turn = self._pass_breaker(call, lane)
            self._wait_for_budget(lane)
        except _NOT_SENT as error:
            error.call = call.name if call is not None else ""
            raise
        return turn

    def _pass_breaker(self, call: Call | None, lane: Lane) -> Admission:
        if self.breaker is None:
            return Admission(0)
        admission = self.breaker.admit()
        if admission.state == PROBE:
            self._probe(admission, lane)
            admission = self.breaker.admit()
        if admission.state == OPEN:
            if self._on_call is not None:
                name, method = (call.name, call.method) if call is not None else ("any", "")
                self._on_call(name, method, errors.CarrierAway.outcome, None, 0.0, lane)
            raise errors.CarrierAway("carrier_away", retry_after=admission.wait)
        return admission

    def _probe(self, admission: Admission, lane: Lane) -> None:
        """Ask the carrier for something cheap; any answer of its own closes the breaker."""
        assert self.breaker is not None  # tells the type checker what the caller ensures
        self._wait_for_budget(lane)
        # Not longer than until the next one: a carrier that hangs is to hold up one worker at a time.
        deadline = time.monotonic() + min(self._call_timeout, self.breaker.probe_every)
        url = self.base_url + _PROBE.path
        try:
            self._exchange(_PROBE, url, None, lane, admission, at_home=True, deadline=deadline)
        except errors.Transient as error:
            logger.info("the carrier still does not answer: %s", error)

    def _wait_for_budget(self, lane: Lane) -> None:
        if self.budget is not None:
            patience = BUDGET_PATIENCE[lane] if self._budget_timeout is None else self._budget_timeout
            self.budget.acquire(lane, patience)

    def _exchange(
        self, call: Call, url: str, body: bytes | None, lane: Lane, turn: Admission, *, at_home: bool, deadline: float
    ) -> Answer:
        started = time.monotonic()
        key = self.secret if at_home else None
        failure: errors.SmartHubError | None = None
        answer: Answer | None = None
        try:
            answer = self._exchanger.send(call.method, url, body=body, key=key, time_left=deadline - time.monotonic())
        except ExchangeFailed as error:
            if error.sent:
                failure = doubtful(call, error.code, error.status)
            else:
                failure = errors.Transient(error.code, call=call.name)
        self._note(turn, answer)
        self._report(call, answer, failure, time.monotonic() - started, lane)
        if failure is not None:
            raise failure
        assert answer is not None  # tells the type checker what the lines above ensure
        if answer.status == 429 and self.budget is not None:
            self._slow_down(call, answer)
        return answer

    def _note(self, turn: Admission, answer: Answer | None) -> None:
        """Tell the breaker how it went, and begin gently with a carrier that is back."""
        if self.breaker is None:
            return
        event = ""
        if answer is None or answer.status >= 500:
            if self.breaker.failed(turn):
                event = "opened"
        elif self.breaker.answered(turn):
            event = "closed"
            if self.budget is not None:
                with suppress(errors.BudgetUnavailable):
                    self.budget.penalise(None)
        if event:
            logger.warning("the breaker of the carrier %s", event)
            if self._on_breaker is not None:
                self._on_breaker(event)

    def _slow_down(self, call: Call, answer: Answer) -> None:
        try:
            assert self.budget is not None  # tells the type checker what the caller ensures
            self.budget.penalise(error_of(call, answer, self.secret).retry_after)
        except errors.BudgetUnavailable:
            logger.warning("the call budget could not be lowered after a 429: Valkey is away")

    def _next_url(self, call: Call, url: str, answer: Answer) -> str:
        """Where a redirect leads; raises when the contract forbids to follow it."""
        target = _resolve(url, answer.headers.get("Location", ""))
        if target is None or not (call.is_read or origin(target) == origin(url)):
            raise _refused(call, answer.status)
        return target

    def _report(
        self,
        call: Call,
        answer: Answer | None,
        failure: errors.SmartHubError | None,
        seconds: float,
        lane: Lane,
    ) -> None:
        outcome = failure.outcome if failure is not None else self._outcome(call, answer)
        known = answer or failure
        status = known.status if known is not None else None
        logger.debug("%s %s: %s, status %s, %.3f s, lane %s", call.method, call.name, outcome, status, seconds, lane)
        if self._on_call is None:
            return
        try:
            self._on_call(call.name, call.method, outcome, status, seconds, lane)
        except Exception:
            # A counter that breaks must not make an outcome unknown.
            logger.exception("the on_call hook failed")

    def _outcome(self, call: Call, answer: Answer | None) -> str:
        if answer is None:
            return errors.SmartHubError.outcome
        if answer.status in _REDIRECTS:
            return "redirect"
        if 200 <= answer.status < 300:
            return "ok"
        return error_of(call, answer, self.secret).outcome


def _refused(call: Call, status: int) -> errors.SmartHubError:
    """A redirect that is not followed: nothing was done, and for a write the carrier's answer is a no."""
    kind = errors.Transient if call.is_read else errors.Rejected
    return kind("redirect_refused", call=call.name, status=status)


def _resolve(url: str, location: str) -> str | None:
    """The absolute http(s) address of a `Location`, without fragment and user name; None when it has none."""
    try:
        parts = urlsplit(urljoin(url, location))
        # requests would make credentials of a user name.
        target = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment=""))
        scheme, host, _ = origin(target)
    except ValueError:
        return None
    return target if location and host and scheme in {"http", "https"} else None
