"""The database itself refuses to change the audit trail: triggers on its two tables.

Installed by a migration. On SQLite a later migration that rebuilds one of the tables loses them without a word, and
has to install them again; ``verify_audit`` and a test miss them.
"""

from __future__ import annotations

from django.db.backends.base.base import BaseDatabaseWrapper

TABLES = ("core_auditentry", "core_auditseal")
MESSAGE = "The audit trail is append-only"
"""How the refusal begins, an ``IntegrityError`` on both engines."""

_FUNCTION = f"""
CREATE OR REPLACE FUNCTION core_audit_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '{MESSAGE}: % of % is refused.', TG_OP, TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$
"""


def install(connection: BaseDatabaseWrapper) -> None:
    """Make the triggers. Harmless where they are there already."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(_FUNCTION)
        for name, statements in _triggers(connection.vendor).items():
            if name not in installed(connection):
                for statement in statements:
                    cursor.execute(statement)


def remove(connection: BaseDatabaseWrapper) -> None:
    """Take the triggers away: for the way back of a migration, and for tests, which empty all tables."""
    with connection.cursor() as cursor:
        for table in TABLES:
            for name in _names(connection.vendor, table):
                on = f" ON {table}" if connection.vendor == "postgresql" else ""
                cursor.execute(f"DROP TRIGGER IF EXISTS {name}{on}")


def installed(connection: BaseDatabaseWrapper) -> set[str]:
    """The names of the triggers that are there and in force."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # A: fires for replication roles, too. Anything else is a trigger that somebody has weakened.
            cursor.execute(
                "SELECT tgname FROM pg_trigger JOIN pg_class c ON c.oid = tgrelid "
                "WHERE relname = ANY(%s) AND pg_table_is_visible(c.oid) AND tgenabled = 'A'",
                [list(TABLES)],
            )
        else:
            cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        found = {name for (name,) in cursor.fetchall()}
    return found & set(_triggers(connection.vendor))


def missing(connection: BaseDatabaseWrapper) -> list[str]:
    """The names of the triggers that should be there and are not."""
    return sorted(set(_triggers(connection.vendor)) - installed(connection))


def _names(vendor: str, table: str) -> list[str]:
    acts = ("change", "truncate") if vendor == "postgresql" else ("update", "delete", "replace")
    return [f"{table}_no_{act}" for act in acts]


def _triggers(vendor: str) -> dict[str, list[str]]:
    """The statements that make each trigger, by its name."""
    of_table = _of_postgresql if vendor == "postgresql" else _of_sqlite
    return {name: made for table in TABLES for name, made in of_table(table).items()}


def _of_postgresql(table: str) -> dict[str, list[str]]:
    change, truncate = _names("postgresql", table)
    events = {change: "UPDATE OR DELETE ON {} FOR EACH ROW", truncate: "TRUNCATE ON {} FOR EACH STATEMENT"}
    return {
        name: [
            f"CREATE TRIGGER {name} BEFORE {event.format(table)} EXECUTE FUNCTION core_audit_append_only()",
            f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}",
        ]
        for name, event in events.items()
    }


def _of_sqlite(table: str) -> dict[str, list[str]]:
    """INSERT OR REPLACE takes a row away without calling it a DELETE."""
    update, delete, replace = _names("sqlite", table)
    same = "id = NEW.id" if table == TABLES[0] else "sequence = NEW.sequence OR entry_id = NEW.entry_id"
    there = f"EXISTS (SELECT 1 FROM {table} WHERE {same})"  # noqa: S608 - names of ours
    events = {
        update: f"UPDATE ON {table}",
        delete: f"DELETE ON {table}",
        replace: f"INSERT ON {table} WHEN {there}",
    }
    return {
        name: [
            f"CREATE TRIGGER {name} BEFORE {event} "
            f"BEGIN SELECT RAISE(ABORT, '{MESSAGE}: {name.rpartition('_')[2].upper()} of {table} is refused.'); END"
        ]
        for name, event in events.items()
    }
