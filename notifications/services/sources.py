"""Who may push: sources and their tokens.

A token is made here, shown once by whoever asked for it, and kept as a SHA-256 digest: it has 256 random bits, so
a slow hash would add nothing but time to each push.
"""

from __future__ import annotations

import hashlib
import secrets
import time

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction

from core import audit
from notifications.models import PushSource

CACHED_SECONDS = 5.0
"""How long a process trusts what it read of a source; a source that is switched off may push that long."""

_cache: dict[str, tuple[int, float]] = {}
_CACHE_SIZE = 1000


def digest(token: str) -> str:
    """SHA-256 of ``token`` in hex, as it is stored; any text is fine, lone surrogates too."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def create_source(name: str, *, actor: AbstractBaseUser | None = None) -> tuple[PushSource, str]:
    """Make a source and answer it with its token, which can't be read again later.

    Raises :class:`django.db.IntegrityError` when the name is taken.
    """
    token = secrets.token_urlsafe(32)
    with transaction.atomic():
        source = PushSource.objects.create(name=name, token_digest=digest(token))
        audit.record(action="push_source.created", actor=actor, target=source, after={"name": name})
    return source, token


def rotate_token(source: PushSource, *, actor: AbstractBaseUser | None = None) -> str:
    """Give ``source`` a new token and answer it; the old one ends within :data:`CACHED_SECONDS`."""
    token = secrets.token_urlsafe(32)
    with transaction.atomic():
        source.token_digest = digest(token)
        source.save(update_fields=["token_digest"])
        audit.record(action="push_source.rotated", actor=actor, target=source)
    forget_cached()
    return token


def ensure_source(name: str, token: str) -> PushSource:
    """The active source ``name`` with exactly this token, made or mended; for a demo that knows its own token."""
    source, _created = PushSource.objects.update_or_create(
        name=name, defaults={"token_digest": digest(token), "active": True}
    )
    forget_cached()
    return source


def find_active(token: str) -> int | None:
    """Id of the active source whose token this is, or ``None``.

    The answer is kept in this process for :data:`CACHED_SECONDS`, so that a stream of pushes costs no look-ups;
    a wrong token is looked up each time and never kept.
    """
    wanted = digest(token)
    now = time.monotonic()
    known = _cache.get(wanted)
    if known is not None and known[1] > now:
        return known[0]
    source_id = PushSource.objects.filter(token_digest=wanted, active=True).values_list("pk", flat=True).first()
    if source_id is None:
        _cache.pop(wanted, None)
        return None
    if len(_cache) >= _CACHE_SIZE:
        _cache.clear()
    _cache[wanted] = (source_id, now + CACHED_SECONDS)
    return source_id


def forget_cached() -> None:
    """Forget what this process knows of sources; others do so by themselves."""
    _cache.clear()
