"""``manage.py create_user``: the first administrator, or anybody else, from the command line."""

from __future__ import annotations

import getpass
import sys
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from staff.models import User
from staff.roles import ADMINISTRATOR, ROLES
from staff.services import create_user


class Command(BaseCommand):
    """Make a user with a role; the password is asked for, or read from standard input when that is no terminal."""

    help = "Make a user of the portal, such as the first administrator."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--role", choices=sorted(ROLES), default=ADMINISTRATOR)
        parser.add_argument(
            "--account", action="append", metavar="NAME", help="A carrier account that they may see; again for more."
        )
        parser.add_argument("--all-accounts", action="store_true", help="They may see every carrier account.")

    def handle(self, *args: Any, **options: Any) -> None:
        username = options["username"]
        if User.objects.filter(username=username).exists():
            raise CommandError(f"There is a user named {username} already.")
        if bool(options["account"]) == options["all_accounts"]:
            raise CommandError("Say what they may see: --account NAME (again for more), or --all-accounts.")
        password = self._password()
        try:
            validate_password(password, User(username=username))
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from None
        create_user(username, options["role"], password, options["account"])
        self.stdout.write(f"{username} can sign in ({options['role']}).")

    def _password(self) -> str:
        if not sys.stdin.isatty():
            return sys.stdin.readline().rstrip("\n")
        password = getpass.getpass("Password: ")
        if password != getpass.getpass("Again: "):
            raise CommandError("The two differ.")
        return password
