"""`manage.py check_contract`: does the carrier's real service keep to the contract we built to?"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from sims.services.carrier import get_client
from smarthub import Lane
from smarthub.contract_check import check_contract, render


class Command(BaseCommand):
    """Print what was found; exit 0, 1 (a documented fact is contradicted) or 2 (no usable answer)."""

    help = (
        "Call every reading endpoint of the carrier once and compare the answers with the contract. "
        "The output holds no key and no personal data."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Ids of a real job and message, where the operator has them."""
        parser.add_argument("--job-id", help="a batch job of the carrier to read")
        parser.add_argument("--sms-id", help="a message of the carrier to read")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the check."""
        result = check_contract(get_client(Lane.AGENT), job_id=options["job_id"], sms_id=options["sms_id"])
        self.stdout.write(render(result))
        if result.exit_status:
            raise SystemExit(result.exit_status)
