"""What is asked of a signed-in request before any view."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from core.htmx import move_to
from staff import second_factor, sessions

GetResponse = Callable[[HttpRequest], HttpResponse]

_WITHOUT_FACTOR = frozenset(
    {"staff:logout", "staff:theme", "staff:confirm", "staff:confirm_sso", "staff:go_on", "staff:second_factor_setup"}
)
"""Where somebody may go who needs a second factor and has none yet."""


class SignInMiddleware:
    """Ends sign-ins that are past their time, notes that others are used, and leads to the second factor.

    Costs no query: the stamps lie in the session, which was read for the user. What an open page asks by itself
    (``X-Poll``) is no use of it, so that a screen left alone signs out.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.user.is_authenticated:
            why = sessions.why_over(request)
            if why:
                sessions.close(request, why)
            elif "X-Poll" not in request.headers:
                sessions.renew(request)
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]
    ) -> HttpResponse | None:
        """To the set-up of the second factor, when the role asks for one and this sign-in had none."""
        if not request.user.is_authenticated or not getattr(view, "login_required", True):
            return None
        if request.resolver_match is not None and request.resolver_match.view_name in _WITHOUT_FACTOR:
            return None
        if request.session.get(sessions.FACTOR) or not second_factor.is_required(request.user):
            return None
        return move_to(request, reverse("staff:second_factor_setup"))
