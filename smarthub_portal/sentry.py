"""Telling Sentry of errors, where ``SENTRY_DSN`` names one: what broke and where, and nothing of whom it was about.

Nothing that a person typed, the carrier told or a row holds leaves the portal: no request, user, local variables or
breadcrumbs, and digits long enough to identify a SIM or a person are cut out of every text.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping
from typing import Any

import sentry_sdk
from sentry_sdk.integrations.celery import CeleryIntegration
from sentry_sdk.integrations.django import DjangoIntegration
from sentry_sdk.integrations.logging import LoggingIntegration
from sentry_sdk.utils import event_from_exception

from core.request_context import current_request

_DIGITS = re.compile(r"\d{6,}")
_SECRETS = re.compile(
    r"(?i)(://[^/\s:@]*:)[^@\s]+@|(/webhooks/[^/\s]+/)[^/\s?\"']+|(\b(?:bearer|api[-_]?key)\W{1,3})\S+"
)
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|\([^()]*\)=\([^()]*\)")
_FRAME = ("filename", "function", "module", "lineno", "in_app")


def start(config: Mapping[str, Any]) -> None:
    """Begin to report errors of this process; does nothing without a DSN."""
    if not config["SENTRY_DSN"]:
        return
    sentry_sdk.init(
        dsn=config["SENTRY_DSN"],
        environment=config["SENTRY_ENVIRONMENT"],
        send_default_pii=False,
        include_local_variables=False,
        include_source_context=False,
        max_request_body_size="never",
        max_breadcrumbs=0,
        auto_enabling_integrations=False,
        auto_session_tracking=False,
        integrations=[
            DjangoIntegration(cache_spans=False),
            CeleryIntegration(),
            LoggingIntegration(level=None),
        ],
        before_send=only_what_broke,  # type: ignore[arg-type]  # an event is a dictionary
    )


def only_what_broke(event: dict[str, Any], hint: dict[str, Any]) -> dict[str, Any]:
    """A new event of what is known to be harmless in ``event``: whatever a library adds one day stays here."""
    kept = {name: event[name] for name in _HARMLESS if name in event}
    kept["tags"] = {"request_id": current_request().request_id}
    transaction = event.get("transaction")
    if transaction:
        # The pattern of an address or the name of a task; a path that fits no pattern is one that somebody typed.
        kept["transaction"] = scrub(str(transaction))
    record = hint.get("log_record")
    if record is not None:
        kept["logger"] = record.name
        kept["message"] = scrub(_said(record))
        if "exception" not in event and sys.exc_info()[0] is not None:
            # structlog hands the exception to the formatter, where nobody else sees it.
            event, _hint = event_from_exception(sys.exc_info())  # type: ignore[assignment]  # as above
    problems = (event.get("exception") or {}).get("values") or []
    kept["exception"] = {"values": [_problem(problem) for problem in problems]}
    return kept


def _said(record: logging.LogRecord) -> str:
    """What happened, by its name alone for our own lines; the form of the sentence for those of libraries."""
    return str(record.msg.get("event", "")) if isinstance(record.msg, dict) else str(record.msg)


_HARMLESS = ("event_id", "timestamp", "platform", "level", "environment", "release", "sdk")


def _problem(problem: Mapping[str, Any]) -> dict[str, Any]:
    frames = (problem.get("stacktrace") or {}).get("frames") or []
    return {
        "type": problem.get("type"),
        "module": problem.get("module"),
        "value": scrub(str(problem.get("value") or "")),
        "stacktrace": {"frames": [{name: frame.get(name) for name in _FRAME} for frame in frames]},
    }


def scrub(text: str) -> str:
    """``text`` without what it quotes, long digits, and passwords and tokens in addresses."""
    text = _SECRETS.sub(lambda found: f"{found[1] or found[2] or found[3]}…{'@' if found[1] else ''}", text)
    return _DIGITS.sub("…", _QUOTED.sub("'…'", text))
