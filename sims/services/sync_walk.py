"""The full walk: every SIM the carrier lists, then those of the mirror that it did not list."""

from __future__ import annotations

from django.utils import timezone
from django.utils.translation import gettext as _

from sims.models import Sim
from sims.services import mirror
from sims.services.carrier import get_client
from sims.services.mirror import ApplyResult, Source
from sims.services.reference import read_all_reference
from sims.services.refresh import ask_for
from sims.services.sync_pages import Pages, apply_page
from sims.services.sync_runs import Held
from smarthub import Lane, SmartHub
from smarthub.client import MAX_GICCIDS_IN_QUERY

_PHASES = ("reference", "list", "verify")


def walk(held: Held) -> None:
    """Do the run, from where its cursor says. Errors as :meth:`Held.call`; ``ListBroken`` from the list itself."""
    client = get_client(Lane.SYNC)
    run = held.run
    phase = run.cursor.get("phase", _PHASES[0])
    if phase == "reference":
        run.errors += read_all_reference(client, held).errors
        run.cursor = {"phase": "list"}
        held.advance()
    if run.cursor["phase"] == "list":
        _walk_list(client, held)
        run.cursor = {"phase": "verify"}
        held.advance()
    _verify_unseen(client, held)
    held.finish()


def _walk_list(client: SmartHub, held: Held) -> None:
    run = held.run
    pages = Pages(run.cursor, client.page_size)
    last = False
    while not last:
        asked_at = timezone.now()
        page = held.call(lambda: client.list_sims(page=pages.page, size=pages.size))
        result, refused = apply_page(page.data, source=Source.WALK, observed_at=asked_at)
        last = pages.took(page)
        run.read += len(page.data) + len(page.unreadable)
        run.total = page.total if page.total is not None else run.total
        run.errors += len(page.unreadable) + refused
        _count(held, result)
        if pages.ended_early:
            run.errors += 1
            run.message = _("The carrier's list ended before the total that it tells.")
        run.cursor = {"phase": "list", **pages.as_cursor()}
        held.advance()


def _verify_unseen(client: SmartHub, held: Held) -> None:
    """SIMs that no page held may have slipped through between two pages: only the carrier's word about each counts."""
    run = held.run
    while True:
        unseen = Sim.objects.filter(
            observed_at__lt=run.started_at, missing_since=None, giccid__gt=run.cursor.get("after", "")
        ).order_by("giccid")
        giccids = list(unseen.values_list("giccid", flat=True)[:MAX_GICCIDS_IN_QUERY])
        if not giccids:
            return
        asked_at = timezone.now()
        answer = held.call(lambda asked=giccids: ask_for(client, asked, source=Source.WALK))  # type: ignore[misc] # mypy infers no lambda with a default
        run.missing += mirror.mark_missing(answer.absent, asked_at=asked_at)
        run.errors += len(set(giccids) - answer.absent - answer.found.keys())
        _count(held, answer.result)
        run.cursor = {"phase": "verify", "after": giccids[-1]}
        held.advance()


def _count(held: Held, result: ApplyResult) -> None:
    held.run.new += result.new
    held.run.changed += result.changed
    held.run.errors += result.problems
