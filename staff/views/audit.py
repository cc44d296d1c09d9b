"""The audit trail, for administrators: the list, one entry, and the way to what it is about."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.decorators import permission_required
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import SimpleLazyObject
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from core import audit_chain, audit_verify, links
from core.audit_changes import changes
from core.listing import Listing, ListView
from core.models import AuditChain, AuditEntry, AuditSeal
from core.views.exports import PARAMETER
from staff.filters_audit import TYPED, AuditFilterSet
from staff.scopes import scoped
from staff.tables_audit import AuditTable, record_name

PERMISSION = "core.view_auditentry"
_SOON = timedelta(minutes=2)
"""What waits longer for its seal is worth a word."""


def entries(request: HttpRequest) -> QuerySet[AuditEntry]:
    """Entries of accounts that the user may see; one that names no account is for who sees all of them."""
    return scoped(AuditEntry.objects.select_related("actor"), request.user, account="account_name")


@dataclass(frozen=True)
class ChainState:
    """What the page says of the chain."""

    head: AuditSeal | None
    waiting_since: datetime | None
    """Of the oldest entry without a seal, where that is not quite new."""
    verified: AuditEntry | None
    """The note of the last verification; ``after["problems"]`` is what it found."""


def chain_state() -> ChainState:
    """Four queries, each of one row."""
    settled = AuditChain.objects.values_list("settled", flat=True).first() or 0
    oldest = audit_chain.unsealed(after=settled).values_list("at", flat=True).first()
    late = oldest if oldest is not None and oldest < timezone.now() - _SOON else None
    head = AuditSeal.objects.select_related("entry").order_by("-sequence").first()
    return ChainState(head, late, audit_verify.last_noted())


class AuditList(ListView):
    """All entries that the user may see, newest first."""

    name = "audit"
    template_name = "staff/audit.html"
    permission_required = PERMISSION
    table_class = AuditTable
    filterset_class = AuditFilterSet
    orders = {"at": "at"}
    default_sort = "-at"
    noun = _("audit entry")
    noun_plural = _("audit entries")

    def get_queryset(self) -> QuerySet[AuditEntry]:
        """What the user may see. A file is an entry of its own, which it does not hold."""
        found = entries(self.request)
        return found.filter(at__lte=timezone.now()) if PARAMETER in self.request.GET else found

    def extra_context(self, listing: Listing) -> dict[str, Any]:
        """The state of the chain, where the template asks for it; what was typed or linked to."""
        typed = {name: listing.filters.selected(name) for name in TYPED}
        return {
            "chain": SimpleLazyObject(chain_state),
            "list_bar": "staff/audit_bar.html",
            "since": (typed.pop("since") or [""])[-1],
            "until": (typed.pop("until") or [""])[-1],
            "typed": [(name, value) for name, values in typed.items() for value in values],
            "empty_title": _("Nothing has been done yet"),
            "empty_text": _("Each change of the portal leaves an entry here, with who did it, why and from where."),
            "empty_url": reverse("home"),
            "empty_action": _("Go to the dashboard"),
        }


def _entry_or_404(request: HttpRequest, pk: int) -> AuditEntry:
    try:
        return entries(request).get(pk=pk)
    except (AuditEntry.DoesNotExist, OverflowError):
        raise Http404 from None


@require_safe
@permission_required(PERMISSION, raise_exception=True)
def detail(request: HttpRequest, pk: int) -> HttpResponse:
    """One entry: all that it says, and whether it is what was sealed."""
    entry = _entry_or_404(request, pk)
    seal = AuditSeal.objects.filter(entry_id=entry.pk).first()
    row = AuditEntry.objects.values_list(*audit_chain.FIELDS).get(pk=entry.pk)
    around = reverse("staff:audit")
    context = {
        "entry": entry,
        "changes": changes(entry.before, entry.after),
        "record_name": record_name(entry.object_type) if entry.object_type else "",
        "has_page": entry.object_type in links.known(),
        "of_record": f"{around}?{urlencode({'record': f'{entry.object_type}:{entry.object_id}'})}",
        "of_request": f"{around}?{urlencode({'request_id': entry.request_id})}",
        "of_ticket": f"{around}?{urlencode({'ticket': entry.ticket})}",
        "seal": seal,
        "is_sound": seal is not None and audit_chain.digest(seal.sequence, seal.previous, row) == seal.digest,
    }
    return render(request, "staff/audit_entry.html", context)


@require_safe
@permission_required(PERMISSION, raise_exception=True)
def record(request: HttpRequest, pk: int) -> HttpResponse:
    """On to the page of what the entry is about; 404 where that has none (any more)."""
    entry = _entry_or_404(request, pk)
    address = links.address_of(entry.object_type, entry.object_id)
    if not address:
        raise Http404
    return redirect(address)
