"""Logging to standard output: a JSON object a line in production, key=value where people read along.

Each line says what happened (``event``) and, where it is known, on whose behalf: ``request_id`` of the request that
began it, ``task``, ``task_id`` and ``queue`` in a worker (``core.request_context``).
"""

from __future__ import annotations

from typing import Any

import structlog

from core.personal import masked

_SHARED: list[structlog.typing.Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]
_PLAIN = (str, int, float, dict, list, tuple)
_FIRST = ["timestamp", "level", "logger", "event"]

structlog.configure(
    processors=[
        *_SHARED,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
    ],
    logger_factory=structlog.stdlib.LoggerFactory(),
    cache_logger_on_first_use=True,
)


def _without_numbers(logger: Any, name: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Whatever an error quotes: a log goes to many places, from which nothing can be erased.

    Of objects their ``repr`` would be written; that of a request, which Django adds to its lines, is its address with
    what a person searched for.
    """
    event.pop("request", None)
    told = {key: value if value is None or isinstance(value, _PLAIN) else repr(value) for key, value in event.items()}
    masked_event: structlog.typing.EventDict = masked(told)
    return masked_event


def logging_settings(*, level: str, form: str) -> dict[str, Any]:
    """Django's ``LOGGING``: every line of ``level`` and above, in the ``form`` ``json`` or ``line``."""
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if form == "json"
        else structlog.processors.LogfmtRenderer(key_order=_FIRST, bool_as_flag=False)
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "line": {
                "()": structlog.stdlib.ProcessorFormatter,
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    structlog.processors.format_exc_info,
                    _without_numbers,
                    renderer,
                ],
                "foreign_pre_chain": [*_SHARED, structlog.stdlib.ExtraAdder()],
            }
        },
        "handlers": {"stdout": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["stdout"], "level": level},
        "loggers": {
            # Their debug lines hold request headers and bodies: never below warnings, whatever LOG_LEVEL says.
            "urllib3": {"level": "WARNING"},
            "requests": {"level": "WARNING"},
            "django.db.backends": {"level": "WARNING"},
            # A line for the start and the end of each task, with its arguments: core.task_trail says it in one.
            "celery.app.trace": {"level": "WARNING"},
            "celery.worker.strategy": {"level": "WARNING"},
        },
    }
