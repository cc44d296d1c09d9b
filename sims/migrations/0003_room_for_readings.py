"""PostgreSQL: half of each page of SIMs is left free.

A walk writes the time of reading into every row. Where the new version finds room beside the old one, no index is
touched; without it, each of the two dozen indexes of the list gets an entry for each SIM and walk.
"""

from typing import Any

from django.db import migrations


def _set_fillfactor(schema_editor: Any, percent: int) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(f"ALTER TABLE sims_sim SET (fillfactor = {percent})")


def leave_room(apps: Any, schema_editor: Any) -> None:
    _set_fillfactor(schema_editor, 50)


def fill_up(apps: Any, schema_editor: Any) -> None:
    _set_fillfactor(schema_editor, 100)


class Migration(migrations.Migration):
    dependencies = [("sims", "0002_list_indexes")]

    operations = [migrations.RunPython(leave_room, fill_up)]
