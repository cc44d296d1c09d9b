"""The log of what left the portal, for administrators: the list, one delivery, sending it again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from core.htmx import render_fragment, stop_polling, wants_fragment
from core.listing import Listing, ListView
from notifications.models import Delivery
from notifications.selectors import deliveries as selectors
from notifications.services import deliveries
from notifications.tables_deliveries import DeliveryFilter, DeliveryTable, kind_label

_SOON = timedelta(minutes=2)
"""An open page follows what is tried within this time."""


class DeliveryList(ListView):
    """All deliveries, newest first."""

    name = "deliveries"
    template_name = "notifications/deliveries.html"
    permission_required = "notifications.view_delivery"
    table_class = DeliveryTable
    filterset_class = DeliveryFilter
    orders = {"stored": "pk"}
    default_sort = "-stored"
    noun = gettext_lazy("delivery")
    noun_plural = gettext_lazy("deliveries")

    def get_queryset(self) -> QuerySet[Any]:
        """What the user may see, without the bodies."""
        return selectors.list_deliveries(self.request.user)

    def extra_context(self, listing: Listing) -> dict[str, Any]:
        """What to do where nothing was sent."""
        return {
            "empty_title": _("Nothing has been sent yet"),
            "empty_text": _("Webhooks and e-mails appear here once a rule that names them takes an event."),
            "empty_url": reverse("notifications:rules"),
            "empty_action": _("See the rules"),
        }


@require_safe
@permission_required("notifications.view_delivery", raise_exception=True)
def detail(request: HttpRequest, pk: int) -> HttpResponse:
    """One delivery: what was sent, to whom, each try with its answer. Follows itself while it is under way."""
    delivery = _delivery_or_404(request, pk)
    follow = _is_under_way(delivery)
    context = {
        "delivery": delivery,
        "label": kind_label(delivery),
        "body": selectors.formatted_body(delivery),
        "tries": selectors.tries_of(delivery),
        "parts": list(delivery.parts.order_by("pk")[:100]) if not delivery.kind else [],
        "follow": follow,
        "resendable": selectors.can_be_resent(delivery) and request.user.has_perm("notifications.resend_delivery"),
    }
    response = render_fragment(request, "notifications/delivery.html", "live", context)
    return stop_polling(response) if wants_fragment(request) and not follow else response


@require_POST
@permission_required("notifications.resend_delivery", raise_exception=True)
@permission_required("notifications.view_delivery", raise_exception=True)
def resend(request: HttpRequest, pk: int) -> HttpResponse:
    """Send it again; answers 303 to its page, which says so."""
    delivery = _delivery_or_404(request, pk)
    can = selectors.can_be_resent(delivery)
    if can and deliveries.resend(delivery, actor=request.user):  # type: ignore[arg-type]  # signed in
        messages.success(request, _("It is being sent again."))
    else:
        messages.warning(request, _("It is not over yet, or nothing that can be sent again."))
    response = redirect("notifications:delivery", delivery.pk)
    response.status_code = 303
    return response


def _is_under_way(delivery: Delivery) -> bool:
    waits_until = delivery.next_attempt_at
    queued = delivery.state == Delivery.State.QUEUED
    return queued and waits_until is not None and waits_until < timezone.now() + _SOON


def _delivery_or_404(request: HttpRequest, pk: int) -> Delivery:
    try:
        return selectors.get_delivery(request.user, pk)
    except (Delivery.DoesNotExist, OverflowError):
        raise Http404 from None
