"""``manage.py remove_second_factor``: a phone is lost and so are the recovery codes."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from staff import second_factor
from staff.models import User


class Command(BaseCommand):
    """Take app and recovery codes of a user away and end their sessions."""

    help = "Take the second factor of a user away; their sessions end. Be sure that it is them who asks."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(username=options["username"]).first()
        if user is None:
            raise CommandError(f"There is no user named {options['username']}.")
        if not second_factor.remove(user, actor=None, why="command line"):
            raise CommandError(f"{user.get_username()} has no second factor.")
        self.stdout.write(f"{user.get_username()} signs in without a second factor now.")
