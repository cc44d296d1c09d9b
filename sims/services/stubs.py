"""Rows that hold only a name, so that a SIM can point at what nobody has read yet."""

from __future__ import annotations

from typing import Any

from django.db.models import Model

from core.bulk import among


def ensure_stubs(model: type[Model], key: str, stubs: dict[str, dict[str, Any]]) -> None:
    """Rows with only a key for those of ``stubs`` that ``model`` does not hold; their other values as given."""
    if not stubs:
        return
    manager = model._default_manager
    known = set(manager.filter(among(key, list(stubs))).values_list(key, flat=True))
    absent = sorted(stubs.keys() - known)
    if absent:
        manager.bulk_create((model(**{key: name}, **stubs[name]) for name in absent), ignore_conflicts=True)
