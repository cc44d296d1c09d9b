"""Asking again who is there before what is dangerous ("sudo").

A sign-in counts, and so does a password typed again, for ``SUDO_MINUTES``. Later, a guarded view leads to
``/profile/confirm/`` and from there back: a page is opened again, and what was posted goes on as it was. It waits in
the session, encrypted, and is given out once.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from functools import wraps
from typing import Any, cast

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.debug import sensitive_variables

from core import audit
from core.encryption import Undecipherable, decrypt, encrypt
from core.htmx import move_to
from staff import sessions
from staff.models import User

KEEP_AT_MOST = 64 * 1024
"""Characters of a form that are kept."""
_KEPT = "sudo_kept"


def is_confirmed(request: HttpRequest) -> bool:
    """Whether the user signed in or confirmed so short a time ago that nothing need be asked."""
    at = request.session.get(sessions.SUDO)
    return at is not None and 0 <= sessions.now() - at < settings.CONFIG["SUDO_MINUTES"] * 60


def ask(request: HttpRequest) -> HttpResponse | None:
    """The way to the confirmation, which a view answers; ``None`` when there is nothing to ask.

    What was posted is kept and goes on after it; a file is not, and a form that is very long is not.
    """
    if is_confirmed(request):
        return None
    back = request.get_full_path()
    if request.method not in {"GET", "HEAD"}:
        back = reverse("staff:go_on", args=[_keep(request)])
    return move_to(request, f"{reverse('staff:confirm')}?{urlencode({'next': back})}")


def sudo_required(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """For views that are dangerous whatever is asked of them. Stands below the check of permissions."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return ask(request) or view(request, *args, **kwargs)

    return guarded


def grant(request: HttpRequest, how: str) -> None:
    """The user has confirmed by ``password``, ``code`` or ``sso``."""
    user = cast(User, request.user)
    request.session[sessions.SUDO] = sessions.now()
    audit.record(action="user.confirmed", actor=user, target=user, after={"how": how})


@sensitive_variables("fields")
def _keep(request: HttpRequest) -> str:
    """Put the form into the session; answers the word by which it is taken out again."""
    fields = [
        (name, value)
        for name, values in request.POST.lists()
        if name != "csrfmiddlewaretoken"
        for value in values
        if isinstance(value, str)
    ]
    word = secrets.token_urlsafe(16)
    text = json.dumps({"word": word, "to": request.get_full_path(), "fields": fields})
    if request.FILES or len(text) > KEEP_AT_MOST:
        text = json.dumps({"word": word, "to": request.get_full_path(), "fields": None})
    request.session[_KEPT] = encrypt(text)
    return word


def take_kept(request: HttpRequest, word: str) -> tuple[str, list[tuple[str, str]] | None] | None:
    """Address and fields of the form that waits, and forget it; ``None`` for another word or when none waits.

    The fields are ``None`` for a form that could not be kept.
    """
    try:
        kept = json.loads(decrypt(request.session[_KEPT]))
    except (KeyError, Undecipherable):
        return None
    if not secrets.compare_digest(kept["word"], word):
        return None
    del request.session[_KEPT]
    fields = kept["fields"]
    return kept["to"], None if fields is None else [(name, value) for name, value in fields]
