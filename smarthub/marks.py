"""Marks that say how sure we are of a wire fact.

Each call and each field of the contract carries `Documented` or `Assumed` in its metadata, so that the
contract check can tell a broken promise of the carrier from a wrong guess of ours.
"""

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Documented:
    """A fact from the carrier's published documentation."""

    note: str = ""

    @property
    def letter(self) -> str:
        """`D`, as in the contract."""
        return "D"


@dataclass(frozen=True, slots=True)
class Assumed:
    """Our own choice where the documentation is silent; the real service may differ."""

    note: str = ""

    @property
    def letter(self) -> str:
        """`A`, as in the contract."""
        return "A"


Mark = Documented | Assumed


@dataclass(frozen=True, slots=True)
class Known:
    """The values of a text field that we know; any other value is carried through as it is."""

    values: type[StrEnum]
