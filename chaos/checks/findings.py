"""What a check yields: how much of what it looked at, and every offender by name."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """Either ``count`` things of the kind ``what`` that were looked at, or an offender that ``what`` describes."""

    what: str
    count: int = 0
    is_offender: bool = False

    @classmethod
    def offender(cls, what: str) -> Finding:
        """Something that is not as it has to be."""
        return cls(what, is_offender=True)

    @classmethod
    def checked(cls, what: str, count: int) -> Finding:
        """So many were looked at."""
        return cls(what, count)
