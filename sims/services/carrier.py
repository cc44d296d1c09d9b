"""The one place where the portal makes its client of the carrier's API."""

from __future__ import annotations

from functools import lru_cache

import redis
import structlog
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from core.metrics import observe_carrier_call
from core.request_context import current_request
from sims.services import link
from smarthub import Budget, Lane, SmartHub

log = structlog.get_logger(__name__)


@lru_cache(maxsize=1)
def get_budget() -> Budget:
    """The call budget that all processes share, in Valkey."""
    # A Valkey that is away is said at once: the row that waits is due again soon.
    client = redis.Redis.from_url(
        settings.REDIS_URL, socket_connect_timeout=1, socket_timeout=5, retry=Retry(NoBackoff(), 0)
    )
    return Budget(client, rate=settings.CONFIG["SMARTHUB_RATE"])


@lru_cache(maxsize=1)
def _shared_client() -> SmartHub:
    """One client, so one connection pool, for each process."""
    config = settings.CONFIG
    return SmartHub(
        config["SMARTHUB_BASE_URL"],
        config["SMARTHUB_API_KEY"],
        budget=get_budget(),
        connect_timeout=config["SMARTHUB_CONNECT_TIMEOUT"],
        read_timeout=config["SMARTHUB_READ_TIMEOUT"],
        page_size=config["SMARTHUB_PAGE_SIZE"],
        on_call=_observe,
        request_id=_request_id if config["SMARTHUB_REQUEST_ID"] else None,
    )


def _request_id() -> str:
    return current_request().request_id


def _observe(call: str, method: str, outcome: str, status: int | None, seconds: float, lane: Lane) -> None:
    observe_carrier_call(call=call, lane=str(lane), outcome=outcome, seconds=seconds)
    log.info("carrier.call", call=call, lane=str(lane), outcome=outcome, status=status, seconds=round(seconds, 3))
    link.note(link.problem_of(status))


def get_client(lane: Lane) -> SmartHub:
    """The client whose calls wait in ``lane`` of the call budget."""
    return _shared_client().with_lane(lane)
