"""Who may push: sources, their tokens, signing keys and networks.

A token is made here, shown once by whoever asked for it, and kept as a SHA-256 digest: it has 256 random bits, so
a slow hash would add nothing but time to each push. A signing key has to be read again for each push, so it is kept
encrypted.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog
from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.crypto import salted_hmac

from core import audit
from core.encryption import Undecipherable, decrypt, encrypt
from notifications.models import PushSource

log = structlog.get_logger(__name__)

CACHED_SECONDS = 5.0
"""How long a process trusts what it read of a source; a source that is switched off may push that long."""
OVERLAP = timedelta(hours=24)
"""How long an old token is good beside the new one, unless somebody chooses another end."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class Known:
    """What the receiver has to know of an active source."""

    source_id: int
    hmac_key: bytes | None = None
    """Pushes must be signed with it; ``None``: no signature is asked for."""
    key_is_lost: bool = False
    """A key is set and can't be deciphered, so no signature can be checked."""
    networks: tuple[Network, ...] = ()

    def allows(self, address: str) -> bool:
        """Whether a push may come from ``address``; without networks it may come from anywhere."""
        if not self.networks:
            return True
        try:
            came_from = ipaddress.ip_address(address)
        except ValueError:
            return False
        if isinstance(came_from, ipaddress.IPv6Address) and came_from.ipv4_mapped is not None:
            came_from = came_from.ipv4_mapped
        return any(came_from in network for network in self.networks)

    def is_signed(self, raw: bytes, signature: str) -> bool:
        """Whether ``signature`` (``sha256=<hex>``) is that of the raw body, where one is asked for."""
        if self.hmac_key is None:
            return True
        wanted = f"sha256={hmac.new(self.hmac_key, raw, hashlib.sha256).hexdigest()}"
        return hmac.compare_digest(wanted.encode(), signature.strip().lower().encode("utf-8", "replace"))


_cache: dict[str, tuple[Known, float]] = {}
_CACHE_SIZE = 1000


def digest(token: str) -> str:
    """SHA-256 of ``token`` in hex, as it is stored; any text is fine, lone surrogates too."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def find_active(token: str) -> Known | None:
    """The active source whose token this is, or ``None``. A token that was replaced counts until its chosen end.

    The answer is kept in this process for :data:`CACHED_SECONDS`, so that a stream of pushes costs no look-ups;
    a wrong token is looked up each time and never kept.
    """
    wanted = digest(token)
    now = time.monotonic()
    known = _cache.get(wanted)
    if known is not None and known[1] > now:
        return known[0]
    moment = timezone.now()
    is_token = Q(token_digest=wanted) | Q(previous_digest=wanted, previous_until__gt=moment)
    source = PushSource.objects.filter(is_token, active=True).first()
    if source is None:
        _cache.pop(wanted, None)
        return None
    lasts = CACHED_SECONDS
    if source.token_digest != wanted and source.previous_until is not None:
        lasts = min(lasts, (source.previous_until - moment).total_seconds())
    if len(_cache) >= _CACHE_SIZE:
        _cache.clear()
    found = _known(source)
    _cache[wanted] = (found, now + lasts)
    return found


def forget_cached() -> None:
    """Forget what this process knows of sources; others do so by themselves."""
    _cache.clear()


def _known(source: PushSource) -> Known:
    networks = tuple(ipaddress.ip_network(text) for text in source.networks)
    if not source.hmac_key:
        return Known(source.pk, networks=networks)
    try:
        return Known(source.pk, hmac_key=decrypt(source.hmac_key).encode(), networks=networks)
    except Undecipherable:
        log.error("push_source.key_lost", source=source.pk)
        return Known(source.pk, key_is_lost=True, networks=networks)


def parse_networks(lines: Iterable[str]) -> list[str]:
    """Networks in their one spelling, such as ``192.0.2.0/24`` and ``2001:db8::/32``; a bare address is one of its own.

    Raises :class:`ValueError` with the text that is none. Empty lines are left out.
    """
    found: list[str] = []
    for line in (line.strip() for line in lines):
        if not line:
            continue
        try:
            network = str(ipaddress.ip_network(line))
        except ValueError:
            raise ValueError(line) from None
        if network not in found:
            found.append(network)
    return found


def create_source(
    name: str, *, actor: AbstractBaseUser | None = None, networks: Sequence[str] = (), silence_hours: int = 0
) -> tuple[PushSource, str]:
    """Make a source and answer it with its token, which can't be read again later.

    Raises :class:`django.db.IntegrityError` when the name is taken.
    """
    token = secrets.token_urlsafe(32)
    with transaction.atomic():
        source = PushSource.objects.create(
            name=name, token_digest=digest(token), networks=list(networks), silence_hours=silence_hours
        )
        after = {"name": name, "networks": source.networks, "silence_hours": silence_hours}
        audit.record(action="push_source.created", actor=actor, target=source, after=after)
    return source, token


def change_source(source: PushSource, *, actor: AbstractBaseUser | None, **values: Any) -> bool:
    """Change ``name``, ``active``, ``networks`` or ``silence_hours``; ``False`` when that is what it has.

    Raises :class:`django.db.IntegrityError` when the name is taken.
    """
    with transaction.atomic():
        row = PushSource.objects.select_for_update().get(pk=source.pk)
        before = {name: getattr(row, name) for name, value in values.items() if getattr(row, name) != value}
        if not before:
            return False
        after = {name: values[name] for name in before}
        for name, value in after.items():
            setattr(row, name, value)
        row.save(update_fields=list(after))
        audit.record(action="push_source.changed", actor=actor, target=row, before=before, after=after)
    forget_cached()
    return True


class Replaced(Exception):
    """The token is another one than the person who asked has seen; nothing was written."""


def version(source: PushSource) -> str:
    """Differs after each rotation; tells nothing of the token."""
    return salted_hmac("notifications.sources", source.token_digest).hexdigest()[:16]


def rotate_token(
    source: PushSource, *, actor: AbstractBaseUser | None = None, overlap: timedelta = timedelta(0), seen: str = ""
) -> str:
    """Give ``source`` a new token and answer it.

    The present one stays good for ``overlap``, so that the carrier's side can be changed without losing a push; one
    that was replaced before ends at once. An end counts everywhere within :data:`CACHED_SECONDS`.

    ``seen`` is the :func:`version` that the person had before her. Another one raises :class:`Replaced`: a second
    click, or a reload of the answer, must not end the token that the carrier still uses.
    """
    token = secrets.token_urlsafe(32)
    until = timezone.now() + overlap
    with transaction.atomic():
        row = PushSource.objects.select_for_update().get(pk=source.pk)
        if seen and seen != version(row):
            raise Replaced
        keeps = overlap > timedelta(0)
        row.previous_digest = row.token_digest if keeps else None
        row.previous_until = until if keeps else None
        row.token_digest = digest(token)
        row.save(update_fields=["token_digest", "previous_digest", "previous_until"])
        after = {"previous_until": until.isoformat()} if keeps else {}
        audit.record(action="push_source.rotated", actor=actor, target=row, after=after)
    forget_cached()
    return token


def end_previous(source: PushSource, *, actor: AbstractBaseUser | None) -> bool:
    """End the overlap of a rotation now; ``False`` when there is none."""
    with transaction.atomic():
        ended = PushSource.objects.filter(pk=source.pk, previous_digest__isnull=False).update(
            previous_digest=None, previous_until=None
        )
        if ended:
            audit.record(action="push_source.rotation_ended", actor=actor, target=source)
    forget_cached()
    return bool(ended)


def set_key(source: PushSource, key: str, *, actor: AbstractBaseUser | None) -> None:
    """Ask for a signature made with ``key`` from now on; an empty one asks for none. The key is never shown again."""
    action = "push_source.key_set" if key else "push_source.key_removed"
    with transaction.atomic():
        PushSource.objects.filter(pk=source.pk).update(hmac_key=encrypt(key) if key else "")
        audit.record(action=action, actor=actor, target=source)
    forget_cached()


def ensure_source(name: str, token: str) -> PushSource:
    """The active source ``name`` with exactly this token, made or mended; for a demo that knows its own token."""
    source, _created = PushSource.objects.update_or_create(
        name=name, defaults={"token_digest": digest(token), "active": True}
    )
    forget_cached()
    return source
