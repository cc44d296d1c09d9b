"""A deploy migrates first and restarts after: until then the code before works on the tables of the code after.

It writes rows without a column that it does not know, and reads columns that it does. Of the migrations made since the
first release of this rule only those kinds are taken that it survives; one that is known to be harmless all the same
says why in ``old_code_survives``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import migrations, models
from django.db.migrations.loader import MigrationLoader
from django.db.models import NOT_PROVIDED

KNOWN = {"core": 2, "staff": 4, "sims": 13, "operations": 6, "sms": 4, "notifications": 9}
"""The newest migration of each app that is older than the rule."""

HARMLESS = (
    migrations.CreateModel,
    migrations.AddIndex,
    migrations.RemoveIndex,
    migrations.RunPython,
    migrations.AlterModelOptions,
    migrations.AlterModelManagers,
)


def problems(app: str, operation: Any, before: Any) -> Iterator[str]:
    """What the code before would stumble over; ``before`` is the state of the models that it knows."""
    if isinstance(operation, migrations.AddField):
        field = operation.field
        has_value = field.null or field.many_to_many or field.db_default is not NOT_PROVIDED
        if not has_value and not isinstance(field, models.GeneratedField):
            yield f"adds {operation.name}, which its rows would not have: give it null=True or a db_default"
    elif isinstance(operation, migrations.AlterField):
        field = before.models[app, operation.model_name_lower].fields[operation.name]
        if field.null and not operation.field.null:
            yield f"takes no empty {operation.name} any more, which it still writes"
        if (field.max_length or 0) > (operation.field.max_length or 0):
            yield f"shortens {operation.name}, which it still writes longer"
        if operation.field.unique and not field.unique:
            yield f"makes {operation.name} unique, which it does not heed"
    elif isinstance(operation, migrations.SeparateDatabaseAndState):
        for inner in operation.database_operations:
            yield from problems(app, inner, before)
    elif not isinstance(operation, HARMLESS):
        yield f"is a {type(operation).__name__}, which it does not know of"


def test_each_new_migration() -> None:
    loader = MigrationLoader(None)
    found = []
    for (app, name), migration in sorted(loader.disk_migrations.items()):
        if app not in KNOWN or int(name[:4]) <= KNOWN[app] or hasattr(migration, "old_code_survives"):
            continue
        before = loader.project_state((app, name), at_end=False)
        for operation in migration.operations:
            found += [f"{app}.{name} {problem}" for problem in problems(app, operation, before)]
            operation.state_forwards(app, before)
    assert not found, "the code that runs while it migrates: " + "; ".join(found)


TEXT = models.CharField(max_length=20, null=True)


@pytest.mark.parametrize(
    ("operation", "survives"),
    [
        (migrations.AddField("run", "more", models.TextField(null=True)), True),
        (migrations.AddField("run", "more", models.TextField(default="")), False),
        (migrations.AddField("run", "more", models.TextField(default="", db_default="")), True),
        (migrations.AlterField("run", "text", models.CharField(max_length=30, null=True)), True),
        (migrations.AlterField("run", "text", models.CharField(max_length=10, null=True)), False),
        (migrations.AlterField("run", "text", models.CharField(max_length=20)), False),
        (migrations.AlterField("run", "text", models.CharField(max_length=20, null=True, unique=True)), False),
        (migrations.RemoveField("run", "text"), False),
        (migrations.RenameField("run", "text", "words"), False),
        (migrations.DeleteModel("run"), False),
        (migrations.RunSQL("DROP TABLE x"), False),
        (migrations.SeparateDatabaseAndState([migrations.RemoveField("run", "text")], []), False),
        (migrations.SeparateDatabaseAndState([], [migrations.RemoveField("run", "text")]), True),
        (migrations.AddIndex("run", models.Index(fields=["text"], name="t")), True),
    ],
)
def test_what_is_told_apart(operation: Any, survives: bool) -> None:
    from django.db.migrations.state import ModelState, ProjectState

    state = ProjectState()
    state.add_model(ModelState("app", "Run", [("id", models.AutoField(primary_key=True)), ("text", TEXT)]))
    assert (not list(problems("app", operation, state))) is survives
