"""The one place where the portal makes its client of the carrier's API."""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache

import redis
import structlog
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from core.metrics import CARRIER_BREAKER, observe_carrier_call
from core.request_context import current_request
from sims.services import link
from smarthub import Breaker, Budget, Lane, SmartHub
from smarthub.errors import CarrierAway, SmartHubError

log = structlog.get_logger(__name__)


@lru_cache(maxsize=1)
def get_budget() -> Budget:
    """The call budget that all processes share, in Valkey."""
    return Budget(_valkey(), rate=settings.CONFIG["SMARTHUB_RATE"])


def _valkey() -> redis.Redis:
    # A Valkey that is away is said at once: the row that waits is due again soon.
    return redis.Redis.from_url(
        settings.REDIS_URL, socket_connect_timeout=1, socket_timeout=5, retry=Retry(NoBackoff(), 0)
    )


@lru_cache(maxsize=1)
def _shared_client() -> SmartHub:
    """One client, so one connection pool, for each process."""
    config = settings.CONFIG
    return SmartHub(
        config["SMARTHUB_BASE_URL"],
        config["SMARTHUB_API_KEY"],
        budget=get_budget(),
        breaker=Breaker(
            _valkey(), failures=config["BREAKER_FAILURES"], probe_every=float(config["BREAKER_PROBE_EVERY"])
        ),
        connect_timeout=config["SMARTHUB_CONNECT_TIMEOUT"],
        read_timeout=config["SMARTHUB_READ_TIMEOUT"],
        page_size=config["SMARTHUB_PAGE_SIZE"],
        on_call=_observe,
        request_id=_request_id if config["SMARTHUB_REQUEST_ID"] else None,
        on_breaker=lambda event: CARRIER_BREAKER.labels(event).inc(),
    )


def _request_id() -> str:
    return current_request().request_id


def _observe(call: str, method: str, outcome: str, status: int | None, seconds: float, lane: Lane) -> None:
    observe_carrier_call(call=call, lane=str(lane), outcome=outcome, seconds=seconds)
    log.info("carrier.call", call=call, lane=str(lane), outcome=outcome, status=status, seconds=round(seconds, 3))
    if outcome != CarrierAway.outcome:
        link.note(link.problem_of(status), slowed=status == 429)


def get_client(lane: Lane) -> SmartHub:
    """The client whose calls wait in ``lane`` of the call budget."""
    return _shared_client().with_lane(lane)


def is_away() -> bool:
    """Whether calls are kept back now because the carrier does not answer; ``False`` where nobody can tell."""
    breaker = _shared_client().breaker
    return breaker is not None and breaker.opened_at() is not None


def probe() -> None:
    """Ask a carrier that is away whether it answers again, if it is time for that; raises nothing."""
    if is_away():
        with suppress(SmartHubError):
            # Whoever calls while the breaker is open probes first, where nobody else does.
            get_client(Lane.AGENT).get_root()
