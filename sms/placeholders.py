"""``{giccid}`` and the like in a text: values of the SIM that it goes to."""

from __future__ import annotations

import re

from sims.models import Sim
from sims.models.sim import CUSTOM_FIELDS

_PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*)\}")
"""A word in braces. What else stands in braces, such as a command in JSON, is text like any other."""


_OF_A_SIM = {field.name for field in Sim._meta.concrete_fields}

PLACEHOLDERS = tuple(name for name in ("giccid", "msisdn", "imsi", *CUSTOM_FIELDS, "label") if name in _OF_A_SIM)
"""What can stand in braces: columns of the SIM."""


def unknown_in(text: str) -> list[str]:
    """The placeholders in ``text`` that there are not, each once."""
    return [name for name in dict.fromkeys(_PLACEHOLDER.findall(text)) if name not in PLACEHOLDERS]


def has_any(text: str) -> bool:
    """Whether ``text`` differs from SIM to SIM."""
    return any(name in PLACEHOLDERS for name in _PLACEHOLDER.findall(text))


def fill(text: str, sim: Sim) -> str:
    """``text`` with the values of ``sim``; one that the SIM does not have is empty, an unknown name stays."""

    def value(match: re.Match[str]) -> str:
        name = match[1]
        return str(getattr(sim, name) or "") if name in PLACEHOLDERS else match[0]

    return _PLACEHOLDER.sub(value, text)
