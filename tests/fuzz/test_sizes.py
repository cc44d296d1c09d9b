"""Every text that somebody can type has a length at which it is refused, before the database sees it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django import forms
from django.urls import get_resolver

OURS = {"core", "staff", "sims", "operations", "sms", "notifications"}
BY_OTHER_MEANS = {
    "identifiers": "lines and their length are counted by operations.identifiers; the request has 12 MB at most",
    "username": "the form takes the model's length when it is made",
    "password": "only compared with a digest; the request has 12 MB at most",
    "password1": "as above",
    "password2": "as above",
}


def _forms(base: type[Any]) -> Iterator[type[Any]]:
    for form in base.__subclasses__():
        yield form
        yield from _forms(form)


def test_every_field_of_text_has_its_length() -> None:
    assert get_resolver().url_patterns  # all views, and with them all forms, are there
    endless = {
        f"{form.__module__}.{form.__qualname__}.{name}"
        for form in _forms(forms.BaseForm)
        if form.__module__.split(".")[0] in OURS
        for name, field in getattr(form, "base_fields", {}).items()
        if isinstance(field, forms.CharField) and field.max_length is None and name not in BY_OTHER_MEANS
    }
    assert not endless, f"Give these a max_length: {sorted(endless)}"
