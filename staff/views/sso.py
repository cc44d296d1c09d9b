"""Single sign-on: to the provider, and what comes back from it."""

from __future__ import annotations

from typing import cast

import structlog
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from core import audit
from staff import lockout, oidc, services_sso, sign_in, sudo
from staff.models import User

log = structlog.get_logger(__name__)


@login_not_required
@never_cache
@require_safe
def leave(request: HttpRequest) -> HttpResponse:
    """To the provider; ``next`` is where to go afterwards. A page with 503 when the provider is away, with 429 where
    too many came from this address without getting in."""
    if not oidc.is_offered():
        raise Http404
    target = sign_in.own_page(request, request.GET.get("next", ""))
    if request.user.is_authenticated:
        return HttpResponseRedirect(target)
    if lockout.sends_too_many(request):
        return _refused(request, _("Too many sign-ins were begun here. Please try again in some minutes."), 429)
    return _to_provider(request, oidc.SIGN_IN, target)


@never_cache
@require_safe
def confirm(request: HttpRequest) -> HttpResponse:
    """The same for somebody who is signed in and has to show that it is still them."""
    if not oidc.is_offered() or not services_sso.comes_by_sso(cast(User, request.user)):
        raise Http404
    return _to_provider(request, oidc.CONFIRM, sign_in.own_page(request, request.GET.get("next", "")))


@login_not_required
@never_cache
@require_safe
def callback(request: HttpRequest) -> HttpResponse:
    """What the provider sends the browser back with. 403 with the reason for whom the portal does not let in."""
    if not oidc.is_offered():
        raise Http404
    try:
        state, claims = oidc.come_back(request)
        target = sign_in.own_page(request, state.get("next", ""))
        if state["purpose"] == oidc.CONFIRM:
            return _confirmed(request, claims, target)
        user = services_sso.user_for(claims)
    except oidc.NotAccepted as refusal:
        log.warning("sso.refused", reason=refusal.reason)
        if refusal.of_person:
            audit.record(action="user.sso_refused", actor=None, after={"reason": refusal.reason})
        return _refused(request, _("The sign-in did not succeed. Please try again."), 403)
    except services_sso.NoEntry as refusal:
        after = {"reason": refusal.reason, "name": str(claims.get("preferred_username", ""))[:150]}
        audit.record(action="user.sso_refused", actor=None, after=after)
        return _refused(request, refusal.sentence, 403)
    lockout.came_back(request)
    trusted = settings.CONFIG["OIDC_MFA_TRUSTED"]
    # The provider may have asked for the password in the morning: to sign out and in again is no confirmation then.
    at = oidc.shown_at(claims)
    is_in = sign_in.proceed(request, user, how="sso", target=target, factor_counts=trusted, shown_at=at)
    return HttpResponseRedirect(target) if is_in else redirect("staff:code")


def _confirmed(request: HttpRequest, claims: oidc.Claims, target: str) -> HttpResponse:
    if not request.user.is_authenticated or not services_sso.is_of(request.user, claims):
        raise oidc.NotAccepted("confirmed by somebody else", of_person=True)
    sudo.grant(request, "sso")
    return HttpResponseRedirect(target)


def _to_provider(request: HttpRequest, purpose: str, target: str) -> HttpResponse:
    try:
        return oidc.send_away(request, purpose=purpose, target=target)
    except oidc.NotAccepted as refusal:
        log.warning("sso.away", reason=refusal.reason)
        sentence = _("“%(name)s” does not answer now. Please try again in a moment.")
        return _refused(request, sentence % {"name": settings.CONFIG["OIDC_NAME"]}, 503)


def _refused(request: HttpRequest, sentence: str, status: int) -> HttpResponse:
    return render(request, "staff/sso_refused.html", {"sentence": sentence}, status=status)
