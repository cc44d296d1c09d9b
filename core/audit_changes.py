"""What an audit entry says has changed, line by line, for people."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_ABSENT = object()


@dataclass(frozen=True)
class Change:
    """One value by its name, before and after: texts; empty where there was or is none."""

    name: str
    before: str
    after: str

    @property
    def differs(self) -> bool:
        """Whether it is another one now."""
        return self.before != self.after


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """Every value of both, in the order of ``before`` and then of ``after``; those inside of others as ``a.b``."""
    old, new = dict(_flat(before)), dict(_flat(after))
    return [Change(name, _text(old, name), _text(new, name)) for name in dict.fromkeys([*old, *new])]


def _flat(values: object, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(values, Mapping):
        for name, value in values.items():
            yield from (
                _flat(value, f"{path}.{name}" if path else str(name))
                if value
                else [(f"{path}.{name}" if path else str(name), value)]
            )
    elif path or values:
        yield path, values


def _text(values: Mapping[str, Any], name: str) -> str:
    value = values.get(name, _ABSENT)
    if value is _ABSENT or value is None or value == {} or value == []:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and not any(isinstance(part, (list, dict)) for part in value):
        return ", ".join(map(str, value))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
