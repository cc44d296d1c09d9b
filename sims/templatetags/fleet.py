"""Template filters about accounts, plans and pools: ``{% load fleet %}``."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from django import template
from django.utils.formats import date_format, number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from core.templatetags.portal import human_bytes, or_dash
from sims import links
from sims.money import money
from sims.selectors.pools import percent
from sims.selectors.usage import Projection
from sims.tables import usage_meter

register = template.Library()

register.filter("account_url", links.account_url)
register.filter("pool_url", links.pool_url)
register.filter("plan_url", links.plan_url)


@register.simple_tag
def sims_url(**filters: Any) -> str:
    """The list of SIMs with these filters: ``{% sims_url account=account.name status="RETIRED" %}``."""
    return links.sims_url(**filters)


@register.filter
def count(value: int | None) -> SafeString | str | object:
    """A number of things with separators, a dash for ``None``."""
    return or_dash(None) if value is None else number_format(value, force_grouping=True)


@register.simple_tag(name="money")
def money_tag(amount: Decimal | None, currency: str = "") -> SafeString | object:
    """An amount with its currency, in one piece; a dash for ``None``."""
    if amount is None:
        return or_dash(None)
    return format_html('<data class="nowrap" value="{}">{}</data>', amount, money(amount, currency))


@register.simple_tag
def quota_meter(used: int | None, quota: int | None) -> SafeString:
    """How much of a quota is used, as a bar and in figures. Bytes."""
    return usage_meter(used, quota, percent(used, quota))


@register.simple_tag
def projected(projection: Projection | None) -> SafeString | object:
    """What a cycle ends with at this pace, and when its quota is full if that is before; a dash for ``None``."""
    if projection is None:
        return or_dash(None)
    figure = format_html('<data value="{}">{}</data>', projection.at_end, human_bytes(projection.at_end))
    if projection.full_on is None:
        return figure
    return format_html("{} {}", figure, full_on(projection.full_on))


@register.simple_tag
def full_on(day: date) -> SafeString:
    """The day on which a quota will be full, as a badge; the whole date is its tooltip."""
    return format_html(
        '<span class="badge badge-warn"><span class="dot"></span>{} <time datetime="{}" title="{}">{}</time></span>',
        _("full on"),
        day.isoformat(),
        date_format(day, "j M Y"),
        date_format(day, "j M"),
    )
