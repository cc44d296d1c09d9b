"""The index behind the search box: what each database needs to find a part of a text without reading all rows."""

from __future__ import annotations

from typing import Any

_SQL = {
    # Three-letter groups of the text. Later vacuum and analyse find it as any other index.
    "postgresql": (
        "CREATE EXTENSION IF NOT EXISTS pg_trgm",
        "CREATE INDEX IF NOT EXISTS sim_search ON sims_sim USING gin (search gin_trgm_ops)",
    ),
    # SQLite reads all texts in any case; from an index of nothing else that is a tenth of reading the rows.
    "sqlite": ("CREATE INDEX IF NOT EXISTS sim_search ON sims_sim (search)",),
}


def create_search_index(apps: Any, schema_editor: Any) -> None:
    """For a migration's ``RunPython``. On PostgreSQL it needs the extension ``pg_trgm``, which the owner of a
    database may create."""
    for statement in _SQL[schema_editor.connection.vendor]:
        schema_editor.execute(statement)


def drop_search_index(apps: Any, schema_editor: Any) -> None:
    """The way back; the extension stays, others may use it."""
    schema_editor.execute("DROP INDEX IF EXISTS sim_search")
