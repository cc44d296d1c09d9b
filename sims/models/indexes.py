"""Indexes of the SIM list: one for each way to sort, which serves the filter of the same column too.

Every list is sorted by a value and then by giccid, so ``(status, giccid)`` answers "sorted by state" and "state is
ACTIVATED, sorted by giccid", each from any place on.
"""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.backends.ddl_references import Statement
from django.db.models import F, Func, Q
from django.db.models.expressions import Expression
from django.db.models.sql.compiler import SQLCompiler

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

FILTERS_OF_ONE_VALUE = ("account", "status", "plan", "pool", "online", "country", "apn")
"""Of these, what people filter by as a rule: one value, whose SIMs the index has in the order of giccid."""
RANGES = {"quota": "quota_percent", "seen": "last_session_at"}
"""What else is filtered by is more and less: the indexes above and each other's have it beside them, to tell without
reading the SIM."""


class SearchIndex(models.Index):
    """The index behind the search box: what each database needs to find a part of a text without reading all rows.

    PostgreSQL: groups of three letters (extension ``pg_trgm``). SQLite reads every text in any case; from an index
    that holds nothing else, that is a tenth of reading the rows.
    """

    def create_sql(
        self, model: type[models.Model], schema_editor: BaseDatabaseSchemaEditor, using: str = "", **kwargs: Any
    ) -> Statement:
        using = " USING gin" if schema_editor.connection.vendor == "postgresql" else using
        return super().create_sql(model, schema_editor, using=using, **kwargs)


class HasDigits(Func):
    """Whether a text has all groups of five digits that a number of five or more digits is made of: the SIMs that may
    have the number. PostgreSQL only, which has an index of the groups (:class:`DigitsIndex`).

    Groups of three, as in the other index, are everywhere in identifiers that are counted up: of a million SIMs
    119,000 have those of the last seven digits of a giccid, and 1,100 these. Which have the number the text must tell.
    """

    FUNCTION = "sims_digit_groups"
    """Made by the migration that makes the index."""
    WIDTH = 5
    conditional = True
    output_field = models.BooleanField()

    def __init__(self, text: str, digits: str) -> None:
        super().__init__(text)
        places = range(len(digits) - self.WIDTH + 1)
        self._groups = ",".join(str(int(digits[place : place + self.WIDTH])) for place in places)

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, *args: Any, **extra: Any) -> Any:
        sql, params = compiler.compile(self.source_expressions[0])
        return f"{self.FUNCTION}({sql}) @> %s::int[]", [*params, f"{{{self._groups}}}"]


class DigitsIndex(models.Index):
    """The index behind :class:`HasDigits`; SQLite has none."""

    def create_sql(
        self, model: type[models.Model], schema_editor: BaseDatabaseSchemaEditor, using: str = "", **kwargs: Any
    ) -> Statement:
        if schema_editor.connection.vendor != "postgresql":
            return Statement("SELECT 1")
        return super().create_sql(model, schema_editor, using=" USING gin", **kwargs)

    def remove_sql(self, model: type[models.Model], schema_editor: BaseDatabaseSchemaEditor, **kwargs: Any) -> str:
        if schema_editor.connection.vendor != "postgresql":
            return "SELECT 1"
        return super().remove_sql(model, schema_editor, **kwargs)


def list_indexes() -> list[models.Index]:
    """The indexes of ``Sim.Meta``. giccid has its own already, being unique."""
    indexes: list[models.Index] = []
    for name, key in SORT_KEYS.items():
        beside = list(RANGES.values()) if name in (*FILTERS_OF_ONE_VALUE, *RANGES) else []
        if isinstance(key, Expression):
            # With the column beside its expression: only then does PostgreSQL count by the index alone.
            [column] = key.get_source_expressions()
            include = list(dict.fromkeys([column.name.removesuffix("_id"), *beside]))
            indexes.append(models.Index(key, F("giccid"), name=f"sim_by_{name}", include=include))
        elif name != "giccid":
            fields = [key.removesuffix("_id"), "giccid"]
            indexes.append(models.Index(fields=fields, name=f"sim_by_{name}", include=beside or None))
    # Which countries are there, per account: found by hopping from one value to the next.
    indexes.append(models.Index(fields=["account", "country_code"], name="sim_account_country"))
    # Who uses most in an account: one by usage alone would be walked past everybody who uses more elsewhere.
    indexes.append(models.Index(F("account"), SORT_KEYS["usage"], F("giccid"), name="sim_account_usage"))
    # The members of a pool: how many are in a state, who uses most and least of them.
    indexes.append(
        models.Index(
            F("pool"),
            F("status"),
            SORT_KEYS["usage"],
            F("giccid"),
            name="sim_pool_members",
            condition=Q(pool__isnull=False),
        )
    )
    # Few SIMs have ever jumped: an index of those alone costs the others nothing.
    indexes.append(
        models.Index(
            fields=["usage_jump_on", "giccid"], name="sim_usage_jump", condition=Q(usage_jump_on__isnull=False)
        )
    )
    indexes.append(SearchIndex(fields=["search"], opclasses=["gin_trgm_ops"], name="sim_search"))
    indexes.append(DigitsIndex(Func("search", function=HasDigits.FUNCTION), name="sim_digits"))
    return indexes
