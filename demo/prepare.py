"""Fits a demo's database out: tables, one user per role, the source of the simulator's pushes.

A process of its own, run by ``demo.__main__`` in the demo's environment. Prints ``synced`` when the mirror has seen a
complete walk. May run again and again: a user who is there stays as she is.
"""

from __future__ import annotations

import os

import django

USERS = {
    "viewer": ("Viewer", None),
    "agent": ("Agent", None),
    "supervisor": ("Supervisor", None),
    "admin": ("Administrator", None),
    "scoped": ("Agent", ["example_account"]),
}
PASSWORD = "demo"  # noqa: S105 - a demo listens on loopback only and says its password in its first lines
PUSH_SOURCE = "Simulator"


def main() -> None:
    """Prepare the database that the settings name."""
    django.setup()
    from django.core.management import call_command

    from notifications.services.sources import ensure_source
    from sims.models import SyncRun
    from staff.models import User
    from staff.services import create_user

    call_command("migrate", interactive=False, verbosity=0)
    for username, (role, accounts) in USERS.items():
        if not User.objects.filter(username=username).exists():
            create_user(username=username, role=role, password=PASSWORD, accounts=accounts)
    ensure_source(PUSH_SOURCE, os.environ["DEMO_PUSH_TOKEN"])
    if SyncRun.objects.filter(kind=SyncRun.Kind.FULL, state=SyncRun.State.DONE).exists():
        print("synced")


if __name__ == "__main__":
    main()
