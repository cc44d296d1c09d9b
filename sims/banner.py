"""The word on every page while the carrier is away, refuses the portal's key, or wants the portal to be slow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models.expressions import Combinable
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from core import facts, slots
from core.templatetags.portal import exact_time
from core.views import live
from sims.models import CarrierLink
from sims.selectors.health import PERMISSION
from sims.services.link import NO_ANSWER, REFUSED_KEY

SLOT = "frame.banner"
"""The place above the content of every page."""
LASTS_FROM = timedelta(seconds=5)
"""Failures this far apart with no answer in between: one lost call is no news."""
SLOW_FROM = timedelta(minutes=1)
"""The same for answers to slow down, of which one in a while is how it is meant to be."""

_OUT_OF_BAND = ' hx-swap-oob="true"'
_COLUMNS = ("failing_since", "failed_at", "problem", "slowed_since", "slowed_at")


@dataclass(frozen=True)
class Banner:
    """What it says. ``tone`` and ``icon`` as in ``components/banner.html``."""

    tone: str
    icon: str
    title: str
    text: str
    state: str = field(default="")
    """For scripts and tests: ``no_answer``, ``errors``, ``refused_key`` or ``slow``."""


def register() -> None:
    """Have it asked with what every page asks, and shown there."""
    for column in _COLUMNS:
        facts.register(_fact(column), _question(column))
    slots.fill(SLOT, show)
    slots.fill(live.SLOT, refresh)


def show(request: HttpRequest) -> SafeString:
    """The banner, or its empty place."""
    return _render(request, out_of_band=False)


def refresh(request: HttpRequest) -> SafeString:
    """For pages that are open: the banner as it is now."""
    return _render(request, out_of_band=True)


def banner_of(known: CarrierLink, now: datetime) -> Banner | None:
    """What ``known`` is worth saying at ``now``; ``None`` for nothing."""
    since, last = known.failing_since, known.failed_at
    if since is not None and last is not None and last - since >= LASTS_FROM:
        return _away(known.problem, since, now)
    since, last = known.slowed_since, known.slowed_at
    if since is not None and last is not None and last - since >= SLOW_FROM and now - last < SLOW_FROM:
        title = _("The carrier has asked to slow down since %(time)s") % {"time": _when(since, now)}
        text = _("Changes and readings take longer than usual. Nothing is lost.")
        return Banner("warn", "gauge", title, text, "slow")
    return None


def _away(problem: str, since: datetime, now: datetime) -> Banner:
    when = {"time": _when(since, now)}
    if problem == REFUSED_KEY:
        title = _("The carrier refuses the portal’s key since %(time)s") % when
        text = _("Nothing can be read or changed until an administrator has set a valid key. Pages show what was read.")
        return Banner("bad", "key-round", title, text, "refused_key")
    text = _("Pages show what was read before. Changes are kept and sent when it answers.")
    if problem == NO_ANSWER:
        return Banner("warn", "cloud-off", _("Carrier unreachable since %(time)s") % when, text, "no_answer")
    title = _("The carrier has had errors of its own since %(time)s") % when
    status = problem.removeprefix("status ")
    text = _("It answers with HTTP %(status)s.") % {"status": status} + " " + text
    return Banner("warn", "cloud-alert", title, text, "errors")


def _when(since: datetime, now: datetime) -> str:
    """The time of day, with the day where it is another one, and how long ago that is."""
    at, today = timezone.localtime(since), timezone.localtime(now)
    clock = f"{at:%H:%M}" if at.date() == today.date() else exact_time(since)
    minutes = int((now - since).total_seconds() // 60)
    if minutes < 1:
        return clock
    long = ngettext("%(n)s min", "%(n)s min", minutes) % {"n": minutes} if minutes < 60 else timesince(since, now)
    return f"{clock} ({long})"


def _render(request: HttpRequest, *, out_of_band: bool) -> SafeString:
    if not request.user.is_authenticated:
        return SafeString("")
    known = CarrierLink(**{column: facts.answer(request, _fact(column)) or _nothing(column) for column in _COLUMNS})
    banner = banner_of(known, timezone.now())
    if banner is None:
        # As nearly always: not worth a template on every page.
        return SafeString(f'<div id="carrier-banner" hidden{_OUT_OF_BAND if out_of_band else ""}></div>')
    context = {"banner": banner, "may_look": request.user.has_perm(PERMISSION), "out_of_band": out_of_band}
    return render_to_string("sims/banner.html", context)


def _nothing(column: str) -> Any:
    return "" if column == "problem" else None


def _fact(column: str) -> str:
    return f"sims.banner.{column}"


def _question(column: str) -> Callable[[Any], Combinable]:
    return lambda _user: facts.newest(CarrierLink.objects.filter(pk=CarrierLink.ONLY), column)
