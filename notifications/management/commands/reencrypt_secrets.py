"""``manage.py reencrypt_secrets``: after a new key was put in front of ``ENCRYPTION_KEYS``."""

from __future__ import annotations

from typing import Any

from allauth.mfa.models import Authenticator
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.db.models import Model

from core import audit
from core.encryption import Undecipherable, renewed
from notifications.models import Forward, PushSource
from staff.second_factor import ENCRYPTED

COLUMNS: tuple[tuple[type[Model], tuple[str, ...]], ...] = (
    (PushSource, ("hmac_key",)),
    (Forward, ("secret", "previous_secret")),
)
"""Where encrypted texts stand, besides the second factors. Sessions hold some, too, for minutes."""


class Command(BaseCommand):
    """Encrypt every stored secret with the newest key; exit 1 when one fits no key. As often as one likes."""

    help = "Encrypt all stored secrets with the newest key, so that the older ones can be taken away."

    def handle(self, *args: Any, **options: Any) -> None:
        """Print how many were written anew, and which could not be read."""
        self.lost: list[str] = []
        done = sum(self._columns(model, names) for model, names in COLUMNS) + self._second_factors()
        self.stdout.write(f"{done} secrets were encrypted with the newest key.")
        if done:
            audit.record(action="secrets.reencrypted", actor=None, after={"number": done, "lost": self.lost})
        if self.lost:
            raise CommandError(f"No key fits: {', '.join(self.lost)}. Keep the older keys, or set these anew.")

    def _columns(self, model: type[Model], names: tuple[str, ...]) -> int:
        done = 0
        for pk in model._default_manager.order_by("pk").values_list("pk", flat=True):
            with transaction.atomic():
                row = model._default_manager.select_for_update().filter(pk=pk).first()
                values = {name: getattr(row, name) for name in names if row is not None and getattr(row, name)}
                changed = self._changed(values, f"{model._meta.db_table} {pk}")
                if changed:
                    model._default_manager.filter(pk=pk).update(**changed)
            done += len(changed)
        return done

    def _second_factors(self) -> int:
        done = 0
        for pk in Authenticator.objects.order_by("pk").values_list("pk", flat=True):
            with transaction.atomic():
                row = Authenticator.objects.select_for_update().filter(pk=pk).first()
                if row is None:
                    continue
                values = {name: row.data[name] for name in ENCRYPTED if isinstance(row.data.get(name), str)}
                changed = self._changed(values, f"mfa_authenticator {pk}")
                if changed:
                    Authenticator.objects.filter(pk=pk).update(data={**row.data, **changed})
            done += len(changed)
        return done

    def _changed(self, values: dict[str, str], where: str) -> dict[str, str]:
        """Those of ``values`` that are encrypted with an older key, anew."""
        changed = {}
        for name, token in values.items():
            try:
                fresh = renewed(token)
            except Undecipherable:
                self.lost.append(f"{where} {name}")
                continue
            if fresh != token:
                changed[name] = fresh
        return changed
