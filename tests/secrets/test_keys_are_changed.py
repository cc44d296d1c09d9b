"""A new key takes over without anything being lost, and then the old one can go."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.core.management import CommandError, call_command
from django.test import Client

from core.encryption import Undecipherable, decrypt
from core.models import AuditEntry
from notifications.models import Forward, PushSource
from notifications.services import forwards, sources
from staff import second_factor
from staff.models import User

OLD, NEW = "an-old-key-" + "o" * 50, "a-new-key-" + "n" * 50
Keys = Callable[..., None]


@pytest.fixture
def keys(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Keys:
    """``keys(ENCRYPTION_KEYS=[…], SECRET_KEY=…)``: as if the processes had started with them."""

    def start(*, encryption: list[str], secret: str = OLD, before: list[str] | None = None) -> None:
        monkeypatch.setitem(settings.CONFIG, "ENCRYPTION_KEYS", encryption)
        settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = secret, before or []

    return start


@pytest.mark.parametrize(
    ("old", "both", "new"),
    [
        ({"encryption": [OLD]}, {"encryption": [NEW, OLD]}, {"encryption": [NEW]}),
        ({"encryption": []}, {"encryption": [NEW, OLD]}, {"encryption": [NEW], "secret": NEW}),
        ({"encryption": []}, {"encryption": [], "secret": NEW, "before": [OLD]}, {"encryption": [], "secret": NEW}),
    ],
    ids=["encryption keys", "the first encryption key", "secret key alone"],
)
def test_stored_secrets_move_to_the_new_key(
    keys: Keys, administrator: User, viewer: User, old: dict[str, Any], both: dict[str, Any], new: dict[str, Any]
) -> None:
    keys(**old)
    source, _token = sources.create_source("s")
    sources.set_key(source, "signing", actor=administrator)
    forward, key = forwards.create_forward(name="f", url="https://receiver.example/", actor=administrator)
    codes = second_factor.new_recovery_codes(viewer)
    keys(**new)
    with pytest.raises(Undecipherable):
        decrypt(PushSource.objects.get(pk=source.pk).hmac_key)
    with pytest.raises(CommandError, match="No key fits: notifications_pushsource"):
        call_command("reencrypt_secrets", stdout=io.StringIO())

    keys(**both)
    assert decrypt(Forward.objects.get(pk=forward.pk).secret) == key, "what is stored can still be read"
    assert _renewed() == "3"
    assert _renewed() == "0"
    keys(**new)
    assert decrypt(PushSource.objects.get(pk=source.pk).hmac_key) == "signing"
    assert decrypt(Forward.objects.get(pk=forward.pk).secret) == key
    assert second_factor.check(viewer, codes[0]) == "recovery"
    assert Authenticator.objects.count() == 1
    assert AuditEntry.objects.get(action="secrets.reencrypted").after == {"number": 3, "lost": []}


def test_who_is_signed_in_stays_so_while_the_old_secret_key_is_known(
    keys: Keys, viewer: User, login: Callable[[User], Client]
) -> None:
    keys(encryption=["e"], secret=OLD)
    known, other = login(viewer), login(viewer)
    keys(encryption=["e"], secret=NEW, before=[OLD])
    assert known.get("/profile/").status_code == 200
    keys(encryption=["e"], secret=NEW)
    assert known.get("/profile/").status_code == 200, "its session has the new key's mark by now"
    assert other.get("/profile/").status_code == 302


def _renewed() -> str:
    out = io.StringIO()
    call_command("reencrypt_secrets", stdout=out)
    return out.getvalue().split()[0]
