"""Every address of the portal, and by which names its view is spoken to."""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from django import forms
from django.urls import URLPattern, URLResolver, get_resolver

from core.listing import ListView

_NAME = re.compile(r'\bname="([^"{}]{1,40})"')
_VALUE = re.compile(r'\bvalue="([^"{}]{1,80})"')
OF_LISTS = [
    "sort",
    "after",
    "before",
    "columns",
    "export",
    "panel",
    "filters",
    "count",
    "size",
    "reset",
    "q",
    "page",
    "version",
]


@dataclass(frozen=True)
class Target:
    """An address with places in it, and its view."""

    route: str
    view: Callable[..., Any]
    parameters: tuple[str, ...]

    @property
    def names(self) -> list[str]:
        """Parameters and fields that the view, its filters and its forms know."""
        view = getattr(self.view, "view_class", None) or inspect.unwrap(self.view)
        found = _named_in(view.__module__)
        if isinstance(view, type) and issubclass(view, ListView):
            found = [*OF_LISTS, *view.filterset_class.base_filters, *found]
        return list(dict.fromkeys(found))


def targets() -> Iterator[Target]:
    """All that the resolver knows."""

    def walk(entries: list[Any], before: str) -> Iterator[Target]:
        for entry in entries:
            route = before + str(entry.pattern)
            if isinstance(entry, URLResolver):
                yield from walk(entry.url_patterns, route)
            elif isinstance(entry, URLPattern):
                yield Target(route, entry.callback, tuple(re.findall(r"<(?:\w+:)?(\w+)>", route)))

    yield from walk(get_resolver().url_patterns, "/")


def in_page(html: str) -> tuple[list[str], list[str]]:
    """Names of fields and values of fields that a page offers."""
    return list(dict.fromkeys(_NAME.findall(html))), list(dict.fromkeys(_VALUE.findall(html)))[:60]


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
