"""docs/personal-data.md says of every column that can hold text what it holds, and of none that is not there."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from django.apps import apps
from django.conf import settings
from django.db import models

from smarthub_portal.config import OPTIONS
from tests.servers import BASE_DIR

DOCUMENT = BASE_DIR / "docs" / "personal-data.md"
HOLD_NONE = (
    models.AutoField,
    models.BooleanField,
    models.DateField,
    models.DecimalField,
    models.FloatField,
    models.IntegerField,
    models.TimeField,
    models.DurationField,
)


def can_hold_text(field: models.Field) -> bool:
    """The rule: no number, time or yes-or-no, no reference to another row, no choice of a list."""
    return not (isinstance(field, HOLD_NONE) or field.remote_field or field.choices)


def test_every_column_is_in_the_document() -> None:
    documented = Counter(
        (found[1], column)
        for found in re.finditer(r"^\| `(\w+)` \| ([^|]+) \|", DOCUMENT.read_text(), re.MULTILINE)
        for column in re.findall(r"`(\w+)`", found[2])
    )
    there = {
        (model._meta.db_table, field.name)
        for model in apps.get_models(include_auto_created=True)
        for field in model._meta.local_concrete_fields
        if can_hold_text(field)
    }
    assert there - documented.keys() == set(), "say in docs/personal-data.md what these hold"
    assert documented.keys() - there == set(), "these are not there"
    assert [column for column, times in documented.items() if times > 1] == []


def test_its_settings_are_there() -> None:
    named = set(re.findall(r"`([A-Z]+(?:_[A-Z]+)+)`", DOCUMENT.read_text()))
    assert named <= {option.name for option in OPTIONS}


@pytest.mark.parametrize("name", sorted(option.name for option in OPTIONS if option.secret))
def test_each_secret_may_be_a_file(name: str) -> None:
    text = (BASE_DIR / "README.md").read_text()
    assert re.search(rf"\| `{name}`.*_FILE", text), "the table of the README says so"


def test_no_setting_is_a_secret_besides() -> None:
    """What has a password or token in it by its nature is among the options that may be files."""
    secrets = {option.name for option in OPTIONS if option.secret}
    looks = {name for name in settings.CONFIG if re.search(r"SECRET|TOKEN|PASSWORD|_KEYS?(_|$)|_DSN|_URL$", name)}
    assert looks - secrets <= {"SMARTHUB_BASE_URL", "PORTAL_URL", "FORWARD_KEY_OVERLAP_HOURS"}
