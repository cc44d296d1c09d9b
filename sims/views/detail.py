"""The page of one SIM, its timeline, and what keeps an open page up to date."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth.decorators import permission_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_safe
from django_htmx.http import trigger_client_event

from core import facts, slots
from core.htmx import wants_fragment
from core.paging import BadCursor, Page, encode
from sims.entries import entries
from sims.forms import NoteForm, TagForm
from sims.models import Sim, TimelineEvent
from sims.models.sim import CUSTOM_FIELDS
from sims.selectors import detail, tags
from sims.selectors import timeline as timelines
from sims.selectors.sims import get_sim
from sims.services.refresh import request_refresh

PAGE_SIZE = 20
TEMPLATE = "sims/detail.html"


def find_sim(request: HttpRequest, giccid: str) -> Sim:
    """The SIM of an address, or a 404 that does not tell an unknown one from one out of scope."""
    try:
        return get_sim(request.user, giccid)
    except Sim.DoesNotExist as error:
        raise Http404 from error


@require_safe
@permission_required("sims.view_sim", raise_exception=True)
def sim_page(request: HttpRequest, giccid: str) -> HttpResponse:
    """Everything about one SIM. A reading that is too old is renewed in the background."""
    sim = find_sim(request, giccid)
    if timezone.now() - sim.observed_at > timedelta(seconds=settings.CONFIG["SIM_REFRESH_AFTER"]):
        request_refresh(sim)
    return render(request, TEMPLATE, page_context(request, sim))


@require_safe
@permission_required("sims.view_sim", raise_exception=True)
def sim_timeline(request: HttpRequest, giccid: str) -> HttpResponse:
    """One page of the timeline: the next piece for an open SIM page, or a page of its own without script."""
    sim = find_sim(request, giccid)
    kinds = chosen_kinds(request)
    page, bad = _timeline_page(request, sim, kinds)
    context = {"sim": sim, **_timeline_context(request, sim, kinds, page), "bad_cursor": bad}
    fragment = wants_fragment(request)
    response = render(request, f"{TEMPLATE}#older" if fragment else "sims/timeline.html", context)
    patch_vary_headers(response, ["HX-Request"])
    return response


@require_safe
@permission_required("sims.view_sim", raise_exception=True)
def sim_live(request: HttpRequest, giccid: str) -> HttpResponse:
    """What of an open page has changed since it was made: 204 for nothing, else the parts, out of band.

    The page asks every two seconds, so the common answer takes the SIM and one query of its timeline.
    """
    sim = find_sim(request, giccid)
    kinds = chosen_kinds(request)
    until = request.GET.get("until", "")
    try:
        head = timelines.head(timelines.timeline(request.user, sim, kinds), until)
    except BadCursor:
        raise Http404 from None
    versions = _versions(request, sim, timelines.version(head))
    changed = {name for name, value in versions.items() if request.GET.get(name) != value}
    if not changed:
        return HttpResponse(status=204)
    context = {
        "sim": sim,
        "changed": changed,
        # A reading that found nothing new only says how fresh the page is: buttons keep their focus.
        "only_read": changed == {"read"},
        "live_url": _live_url(sim, kinds, until, versions),
        **overview_context(request, sim),
    }
    if "sim" in changed:
        # The names alone: the form beside them may be open, with half a word in it.
        context["tags"] = tags.tags_of(sim)
    if "events" in changed:
        context |= {"head": entries(head, request.user), "any_kind": bool(kinds)}
    response = render(request, "sims/live.html", context)
    # What other apps have on the page asks for itself: a part with a request of its own under way is not swapped.
    return response if context["only_read"] else trigger_client_event(response, "sim-changed")


def page_context(
    request: HttpRequest, sim: Sim, note_form: NoteForm | None = None, tag_form: TagForm | None = None
) -> dict[str, Any]:
    """What the SIM page shows; ``note_form`` and ``tag_form`` are ones that were refused."""
    kinds = chosen_kinds(request)
    page, bad = _timeline_page(request, sim, kinds)
    until = encode(timelines.ORDER, page.rows[-1]) if page.next else ""
    if request.GET.get("after"):
        events = timelines.version(timelines.head(timelines.timeline(request.user, sim, kinds), until))
    else:
        events = timelines.version_of(page.rows)
    versions = _versions(request, sim, events)
    return {
        "sim": sim,
        "note_form": note_form or NoteForm(),
        "notes": timelines.notes(request.user, sim) if facts.about(request, detail.NOTES, sim.pk) else [],
        "live_url": _live_url(sim, kinds, until, versions),
        "bad_cursor": bad,
        **overview_context(request, sim, () if request.GET.get("after") else page.rows),
        **_timeline_context(request, sim, kinds, page),
        **tag_context(request, sim, tag_form),
    }


def tag_context(request: HttpRequest, sim: Sim, form: TagForm | None = None) -> dict[str, Any]:
    """The SIM's tags, and for who may tag, the form (``form`` is one that was refused) and what is in use."""
    may = request.user.has_perm("sims.tag_sim")
    return {
        "tags": tags.tags_of(sim) if facts.about(request, detail.TAGS, sim.pk) else [],
        "tag_form": (form or TagForm()) if may else None,
        "known_tags": tags.known_tags(request.user) if may else [],
    }


def overview_context(request: HttpRequest, sim: Sim, newest: Sequence[TimelineEvent] = ()) -> dict[str, Any]:
    """What the mirror holds of the SIM, beside its own columns. ``newest`` events that were read need not be again."""
    reason = next((event for event in newest if timelines.brought_its_state(event, sim)), None)
    return {
        "state_event": reason or timelines.reason_of_state(request.user, sim),
        "subscriptions": detail.subscriptions(sim) if facts.about(request, detail.SUBSCRIPTIONS, sim.pk) else [],
        "custom_fields": [(name.removeprefix("custom"), getattr(sim, name)) for name in CUSTOM_FIELDS],
        "used": min(sim.quota_percent, 100) if sim.quota_percent is not None else None,
    }


def chosen_kinds(request: HttpRequest) -> list[str]:
    """The kinds that ``?kind=`` names, unknown ones left out."""
    return [kind for kind in dict.fromkeys(request.GET.getlist("kind")) if kind in TimelineEvent.Kind.values]


def _timeline_page(request: HttpRequest, sim: Sim, kinds: list[str]) -> tuple[Page[TimelineEvent], bool]:
    """A page of events, and whether the address held a cursor that is none."""
    after = request.GET.get("after", "")
    try:
        return timelines.page_of(request.user, sim, kinds, after=after, size=PAGE_SIZE), False
    except BadCursor:
        return timelines.page_of(request.user, sim, kinds, size=PAGE_SIZE), True


def _timeline_context(request: HttpRequest, sim: Sim, kinds: list[str], page: Page[TimelineEvent]) -> dict[str, Any]:
    older = reverse("sims:timeline", args=[sim.giccid])
    pairs = [("kind", kind) for kind in kinds]
    return {
        "entries": entries(page.rows, request.user),
        "older_url": f"{older}?{urlencode([*pairs, ('after', page.next)])}" if page.next else "",
        "kinds": [(value, label, value in kinds) for value, label in TimelineEvent.Kind.choices],
        "any_kind": bool(kinds),
    }


def _live_url(sim: Sim, kinds: list[str], until: str, versions: dict[str, str]) -> str:
    pairs = [("kind", kind) for kind in kinds] + [("until", until), *versions.items()]
    return f"{reverse('sims:live', args=[sim.giccid])}?{urlencode(pairs)}"


def _versions(request: HttpRequest, sim: Sim, events: str) -> dict[str, str]:
    """A short text for each part of the page that differs when the part does. Other apps say that what they show
    has changed by what they put into the slot ``sims.detail.version``."""
    return {
        "sim": _digest(sim.changed_at, sim.missing_since),
        "read": _digest(sim.observed_at, sim.observed_by),
        "events": events,
        "work": _digest(slots.render("sims.detail.version", request, sim=sim)),
    }


def _digest(*values: object) -> str:
    return hashlib.blake2b(repr(values).encode(), digest_size=8).hexdigest()
