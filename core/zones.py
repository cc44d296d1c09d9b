"""The time zone that a person sees times in."""

from __future__ import annotations

import functools
import zoneinfo
from datetime import tzinfo
from typing import Any

from django.utils import timezone

# The list reads some hundred files: once in a process, not with every request.
_names = functools.cache(zoneinfo.available_timezones)


def zone_of(user: Any) -> tzinfo:
    """The zone that ``user`` chose; the portal's own for everybody else."""
    name = getattr(user, "time_zone", "")
    return zoneinfo.ZoneInfo(name) if name and name in _names() else timezone.get_default_timezone()
