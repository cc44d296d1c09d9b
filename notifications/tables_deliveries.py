"""The table of deliveries, and its filters."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

import django_tables2 as tables
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from core.filters import Choices, FilterSet, ManyFilter, SearchFilter
from core.rows import row_url
from core.spreadsheets import FileColumn
from core.tables import AgoColumn, BaseTable
from core.templatetags.portal import delivery_badge, grouped, or_dash
from notifications import kinds
from notifications.models import Delivery, Forward
from notifications.services.deliveries import TEST

_NUMBER = {"td": {"class": "num"}, "th": {"class": "num"}}


def kind_label(delivery: Delivery) -> str:
    """What a delivery tells of, in words."""
    if delivery.kind == TEST:
        return _now("Test")
    return kinds.label_of(delivery.kind) if delivery.kind else _now("Collected e-mail")


def _receiver(delivery: Delivery) -> str:
    return delivery.forward.name if delivery.forward is not None else delivery.email


def _giccid(delivery: Delivery) -> str:
    sim = delivery.event.sim if delivery.event is not None else None
    return sim.giccid if sim is not None else ""


class DeliveryTable(BaseTable):
    """One line a delivery; its tries are on its page."""

    stored = AgoColumn(accessor="created_at", verbose_name=_("Stored"))
    kind = tables.Column(verbose_name=_("About"), orderable=False, empty_values=(), attrs={"td": {"class": "wide"}})
    state = tables.Column(verbose_name=_("State"), orderable=False)
    receiver = tables.Column(accessor="pk", verbose_name=_("To"), orderable=False, attrs={"td": {"class": "clip"}})
    sim = tables.Column(accessor="event__sim__giccid", verbose_name=_("SIM"), orderable=False)
    rule = tables.Column(
        accessor="rule__name", verbose_name=_("Rule"), orderable=False, attrs={"td": {"class": "clip"}}
    )
    attempts = tables.Column(verbose_name=_("Tries"), orderable=False, attrs=_NUMBER)
    next = AgoColumn(accessor="next_attempt_at", verbose_name=_("Next try"), orderable=False)
    problem = tables.Column(verbose_name=_("What went wrong"), orderable=False, attrs={"td": {"class": "wide"}})

    fixed = ("kind", "state")
    default_columns = ("stored", "receiver", "sim", "attempts", "problem")

    files: ClassVar = {
        "kind": (FileColumn(_("About"), lambda delivery: delivery.kind or "collected"),),
        "receiver": (FileColumn(_("To"), _receiver),),
        "sim": (FileColumn(_("SIM"), _giccid, is_text=True, width=24),),
    }

    class Meta:
        row_attrs = {
            "data-delivery": lambda record: record.pk,
            "data-delivery-state": lambda record: record.state,
        }

    def render_kind(self, record: Delivery) -> SafeString:
        """Leads to the delivery."""
        url = row_url("notifications:delivery", record.pk)
        return format_html('<a href="{}" data-row-link>{}</a>', url, kind_label(record))

    def render_state(self, record: Delivery) -> SafeString:
        """As a badge."""
        return delivery_badge(record.state)

    def render_receiver(self, record: Delivery) -> object:
        """The webhook's name, or the address."""
        return or_dash(_receiver(record))

    def render_sim(self, value: str) -> SafeString:
        """In groups of four."""
        return grouped(value)


def _find(queryset: QuerySet[Delivery], text: str) -> QuerySet[Delivery]:
    """The delivery with the id typed, or those about the SIM whose giccid was, in any grouping."""
    text = text.strip()
    try:
        return queryset.filter(uuid=UUID(text))
    except ValueError:
        return queryset.filter(event__sim__giccid="".join(c for c in text if c.isalnum()))


def _forwards(request: HttpRequest) -> Choices:
    if not request.user.has_perm("notifications.view_forward"):
        return []
    return [(name, name) for name in Forward.objects.order_by("name").values_list("name", flat=True)]


class DeliveryFilter(FilterSet):
    """``q`` (id or giccid), ``state``, ``channel``, ``forward``, ``kind``."""

    q = SearchFilter(find=_find)
    state = ManyFilter(label=_("State"), condition=lambda v: Q(state__in=v), choices=Delivery.State.choices)
    channel = ManyFilter(label=_("Channel"), condition=lambda v: Q(channel__in=v), choices=Delivery.Channel.choices)
    forward = ManyFilter(label=_("Webhook"), condition=lambda v: Q(forward__name__in=v), choices=_forwards)
    kind = ManyFilter(
        label=_("About"), condition=lambda v: Q(kind__in=v), choices=[*kinds.choices(), (TEST, _("Test"))]
    )
