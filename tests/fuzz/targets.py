"""By which names each address of the portal is spoken to: from its code, and from the forms of the pages."""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Callable, Mapping
from functools import cache
from html.parser import HTMLParser
from typing import Any

from django import forms

from core.listing import ListView

OF_LISTS = ["sort", "after", "before", "columns", "export", "panel", "filters", "reset", "q", "page", "size", "version"]
NO_TEXT = {
    "hidden",
    "checkbox",
    "radio",
    "submit",
    "number",
    "date",
    "datetime-local",
    "email",
    "url",
    "file",
    "password",
}

Fields = dict[str, tuple[str, bool]]
"""The fields of a form: what each holds when nobody touches it, and whether any text may stand in it."""


def names_of(view: Callable[..., Any]) -> list[str]:
    """Parameters and fields that the view, its filters and its forms know."""
    kind = getattr(view, "view_class", None) or inspect.unwrap(view)
    found = _named_in(kind.__module__)
    if isinstance(kind, type) and issubclass(kind, ListView):
        found = [*OF_LISTS, *kind.filterset_class.base_filters, *found]
    return list(dict.fromkeys(found))


class Forms(HTMLParser):
    """The forms of a page: ``found`` has, for each address that one goes to, its fields as they stand there."""

    def __init__(self, path: str, known: Mapping[str, str]) -> None:
        super().__init__()
        self._known = known
        self.found: dict[str, Fields] = {}
        self._path, self._fields, self._select = path, None, ""

    _fields: Fields | None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        name = given.get("name", "")
        if tag == "form":
            where = given.get("action") or given.get("hx-post") or self._path
            self._fields = self.found.setdefault(where.partition("?")[0], {})
        elif self._fields is None:
            return
        elif tag == "option" and self._select:
            if given.get("value") and ("selected" in given or not self._fields[self._select][0]):
                self._fields[self._select] = (given["value"], False)
        elif not name or name == "csrfmiddlewaretoken":
            return
        elif tag == "select":
            self._select = name
            self._fields[name] = ("", False)
        elif tag == "textarea":
            self._fields[name] = ("a word", True)
        elif tag in ("input", "button") and (name not in self._fields or "checked" in given):
            kind = given.get("type", "text")
            value = (
                self._known.get(name)
                or given.get("value")
                or ("on" if kind == "checkbox" else "" if kind in NO_TEXT else "a word")
            )
            self._fields[name] = (value, kind not in NO_TEXT and tag == "input")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._fields = None
        elif tag == "select":
            self._select = ""


def forms_of(path: str, html: str, known: Mapping[str, str]) -> dict[str, Fields]:
    """The forms of the page at ``path``, by where they go; ``known`` is what a person types who knows it."""
    reader = Forms(path, known)
    reader.feed(html)
    return reader.found


def values_of(html: str) -> list[str]:
    """Some values that fields of a page hold."""
    return list(dict.fromkeys(re.findall(r'\bvalue="([^"{}]{1,80})"', html)))[:60]


@cache
def _named_in(module: str) -> list[str]:
    """Names that a module's code asks a request for, and fields of the forms that it uses."""
    code = sys.modules[module]
    fields = [
        name
        for thing in vars(code).values()
        if isinstance(thing, type) and issubclass(thing, forms.BaseForm)
        for name in getattr(thing, "base_fields", {})
    ]
    asked = []
    for node in ast.walk(ast.parse(inspect.getsource(code))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
            asked.append(node.args[0])
        elif isinstance(node, ast.Subscript):
            asked.append(node.slice)
        elif isinstance(node, ast.Compare):
            asked.append(node.left)
    words = [node.value for node in asked if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return [*fields, *(word for word in words if re.fullmatch(r"[a-z_0-9-]{1,30}", word))]
