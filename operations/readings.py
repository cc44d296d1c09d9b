"""What the carrier tells when an operation is read back, asked for piece by piece as a kind needs it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum

from django.utils import timezone

from operations.models import Operation
from sims.services.sync_pages import ListBroken, Pages
from sims.services.timeline import record_log_entries
from smarthub import SmartHub, contract, errors

LOG_REACH = timedelta(days=29)
"""The carrier tells of the last 30 days (documented); a day less leaves room for its clock."""

LOG_SLACK = timedelta(seconds=2)
"""The carrier's times are whole seconds, and its clock may be a little behind ours."""


class Verdict(StrEnum):
    """Whether the carrier shows the change: ``unclear`` when its answer lacks what would tell."""

    YES = "yes"
    NO = "no"
    UNCLEAR = "unclear"


class Reading:
    """One look at a SIM. ``thorough`` asks for all that can tell, the change log too; it costs more calls."""

    def __init__(self, client: SmartHub, snapshot: contract.Sim, *, thorough: bool) -> None:
        self._client = client
        self.snapshot = snapshot
        self.thorough = thorough

    def custom_fields(self) -> dict[str, str | None]:
        """The custom fields: of the SIM where it tells them, of their own call where it does not."""
        if self.snapshot.custom_fields is not None:
            return self.snapshot.custom_fields
        return self._client.get_custom_fields(self.snapshot.giccid)

    def log(self, kind: contract.ChangeType, since: datetime) -> list[contract.ChangeEntry]:
        """The SIM's successful change-log entries of ``kind`` from ``since`` on; the timeline gets all of them."""
        return read_log(self._client, self.snapshot.giccid, kind, since)


def read_log(client: SmartHub, giccid: str, kind: contract.ChangeType, since: datetime) -> list[contract.ChangeEntry]:
    """Successful entries of the change log of one SIM, each once, in no order."""
    start = max(since, timezone.now() - LOG_REACH)
    found: dict[tuple[str, ...], contract.ChangeEntry] = {}
    pages = Pages({}, client.page_size)
    last = False
    while not last:
        page = client.list_change_logs(giccid=giccid, type=kind, start=start, page=pages.page, size=pages.size)
        for entry in page.data:
            # The filters are assumed, and an entry may stand on two pages; its status is not of its identity.
            if entry.giccid == giccid and entry.type == kind:
                found[entry.identity] = entry
        try:
            last = pages.took(page)
        except ListBroken:
            raise errors.Transient("list_broken", call="list_change_logs") from None
    entries = list(found.values())
    record_log_entries(entries)
    return [entry for entry in entries if entry.status in {None, contract.ChangeStatus.SUCCESS}]


def logged_since_sent(operation: Operation, reading: Reading, target: str) -> bool:
    """Whether the change log tells of a change of state to ``target`` since the operation was first sent."""
    if operation.first_sent_at is None:
        return False
    since = operation.first_sent_at - LOG_SLACK
    entries = reading.log(contract.ChangeType.LOCAL_STATUS, since)
    return any(entry.target == target for entry in entries)


def stored_time(text: object) -> datetime | None:
    """A time that was kept as text in a JSON column."""
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
