"""Every address of the portal as the resolver knows it, and where it leads with a record of :mod:`tests.records`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.urls import URLResolver, get_resolver, reverse

from tests.matrix import TABLE

MORE: dict[str, list[Any]] = {
    "notifications:webhook_kind": ["imei-change"],
    "operations:dialog": ["suspend"],
    "admin:view_on_site": [1],
}
"""What an address holds beside the record."""


@dataclass(frozen=True)
class Address:
    """A view's address: its name in ``tests/matrix.py``, and how it is written, with places in it."""

    name: str
    route: str
    view: Callable[..., Any]

    @property
    def places(self) -> list[str]:
        """What stands in it that differs."""
        return re.findall(r"<(?:\w+:)?(\w+)>", self.route)

    def filled(self, keys: list[Any]) -> str:
        """The address with ``keys`` in its places, whatever they are."""
        route = self.route
        for key in keys:
            start, place, rest = route.partition("<")
            if place:
                route = f"{start}{key}{rest.partition('>')[2]}"
        return route


def addresses() -> Iterator[Address]:
    """All that there are."""

    def walk(entries: list[Any], before: str, namespace: str) -> Iterator[Address]:
        for entry in entries:
            route = before + str(entry.pattern)
            if isinstance(entry, URLResolver):
                inner = f"{entry.namespace}:" if entry.namespace else namespace
                yield from walk(entry.url_patterns, route, inner)
                continue
            # Of the admin site, a record's short address has no name, nor has whatever is no page.
            parts = route.split("/")
            name = entry.name or (f"{parts[2]}_{parts[3]}" if len(parts) > 4 else "other")
            yield Address(namespace + name, route, entry.callback)

    yield from walk(get_resolver().url_patterns, "/", "")


def address_of(name: str, records: dict[str, Any]) -> str:
    """Where the record lies that the table names for this address."""
    [of] = {right.of for right in TABLE[name].values()}
    if name == "notifications:act":
        return f"{reverse(name, args=['close'])}?ids={records[of]}"
    if name == "admin:other":
        return "/admin/no/such/page/"
    if name == f"admin:{of}":
        return f"/admin/{of.replace('_', '/')}/{records[of]}/"
    return reverse(name, args=([records[of]] if of else []) + MORE.get(name, []))
