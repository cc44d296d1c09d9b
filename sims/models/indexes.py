"""Indexes of the SIM list: one for each way to sort, which serves the filter of the same column too.

Every list is sorted by a value and then by giccid, so ``(status, giccid)`` answers "sorted by state" and "state is
ACTIVATED, sorted by giccid", each from any place on. The index for the search box is made in a migration, since it
differs by database (see ``sims.search_index``).
"""

from __future__ import annotations

from django.db import models
from django.db.models import F
from django.db.models.expressions import Expression

from core.expressions import OrNone

SORT_KEYS: dict[str, str | Expression] = {
    "giccid": "giccid",
    "imsi": "imsi",
    "msisdn": "msisdn",
    "imei": "imei",
    "account": "account_id",
    "status": "status",
    "plan": OrNone("plan_id"),
    "pool": OrNone("pool_id"),
    "usage": OrNone("data_usage"),
    "quota": OrNone("quota_percent"),
    "online": OrNone("online"),
    "country": "country_code",
    "apn": "apn_state",
    "seen": OrNone("last_session_at"),
    "since": OrNone("status_changed_at"),
    "custom1": "custom1",
    "custom2": "custom2",
    "custom3": "custom3",
    "custom4": "custom4",
    "custom5": "custom5",
}
"""What the list sorts and filters by, as the address calls it: a column, or an expression that is never NULL."""


def list_indexes() -> list[models.Index]:
    """The indexes of ``Sim.Meta``. giccid has its own already, being unique."""
    indexes = []
    for name, key in SORT_KEYS.items():
        if isinstance(key, Expression):
            indexes.append(models.Index(key, F("giccid"), name=f"sim_by_{name}"))
        elif name != "giccid":
            indexes.append(models.Index(fields=[key.removesuffix("_id"), "giccid"], name=f"sim_by_{name}"))
    # Which countries are there, per account: found by hopping from one value to the next.
    indexes.append(models.Index(fields=["account", "country_code"], name="sim_account_country"))
    return indexes
