"""``manage.py release_sign_in``: end a lockout before its time."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from core import audit
from staff import lockout
from staff.models import User


class Command(BaseCommand):
    """Forget failed sign-ins of a user, from an address, or of the user from there."""

    help = "Let a user, or everybody at an address, try to sign in again at once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username", nargs="?", help="the user who is locked out")
        parser.add_argument("--address", help="the address that is locked out")

    def handle(self, *args: Any, **options: Any) -> None:
        username, address = options["username"], options["address"]
        if not username and not address:
            raise CommandError("Say whom to release: a user name, --address, or both.")
        if lockout.release(username=username, address=address):
            user = User.objects.filter(username=username).first() if username else None
            after = {"address": address} if address else {}
            audit.record(action="user.lockout_released", actor=None, target=user, after=after)
            self.stdout.write("Released.")
        else:
            self.stdout.write("No failed sign-in is counted there.")
