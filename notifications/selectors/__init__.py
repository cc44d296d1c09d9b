"""Reading what this app holds, always for a user. The inbox's stand here; the centre's in ``selectors.centre``."""

from notifications.selectors.pushes import (
    events_of,
    formatted_body,
    get_push,
    lines_of,
    list_pushes,
    message_of,
    sim_of,
)

__all__ = ["events_of", "formatted_body", "get_push", "lines_of", "list_pushes", "message_of", "sim_of"]
