"""Keeping push tokens out of the log: they stand in an address, and Django logs addresses that went wrong."""

from __future__ import annotations

import logging
import re
from typing import Any

_ADDRESS = re.compile(r"(/webhooks/[^/\s]+/)[^/\s?\"']+")


def mask(value: Any) -> Any:
    """``value`` with the token of a webhook address in it replaced by ``…``; other types as they are."""
    return _ADDRESS.sub(r"\1…", value) if isinstance(value, str) else value


class MaskPushTokens(logging.Filter):
    """For the loggers that name the request's path."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Mask the message, its arguments and the request in place; lets every record pass."""
        record.msg = mask(record.msg)
        if isinstance(record.args, tuple):
            record.args = tuple(mask(argument) for argument in record.args)
        elif isinstance(record.args, dict):
            record.args = {name: mask(argument) for name, argument in record.args.items()}
        request = getattr(record, "request", None)
        if request is not None and _ADDRESS.search(text := repr(request)):
            # The formatter writes it down as it prints itself: with its path.
            record.request = mask(text)
        return True


def install() -> None:
    """Put the filter on Django's loggers of requests."""
    for name in ("django.request", "django.server", "django.security", "django.security.csrf"):
        logger = logging.getLogger(name)
        if not any(isinstance(known, MaskPushTokens) for known in logger.filters):
            logger.addFilter(MaskPushTokens())
