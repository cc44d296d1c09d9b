"""Places in a page that higher apps fill: the SIM page belongs to ``sims``, the buttons on it to ``operations``.

A page writes ``{% slot "sims.detail.actions" sim=sim %}``; an app registers a function in ``AppConfig.ready()``
that gets the request and the slot's arguments and answers safe HTML, or an empty text for nothing.
"""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest
from django.utils.html import conditional_escape, format_html_join
from django.utils.safestring import SafeString

SlotFunction = Callable[..., SafeString | str]

_slots: dict[str, list[tuple[int, SlotFunction]]] = {}


def fill(name: str, function: SlotFunction, *, rank: int = 0) -> None:
    """Have ``function(request, **arguments)`` rendered at the slot ``name``, in the order of rank and registration."""
    functions = _slots.setdefault(name, [])
    functions.append((rank, function))
    functions.sort(key=lambda ranked: ranked[0])


def render(name: str, request: HttpRequest, **arguments: object) -> SafeString:
    """What all functions of the slot answer, one after the other. Plain text is escaped."""
    return format_html_join("", "{}", ((part,) for part in parts(name, request, **arguments)))


def parts(name: str, request: HttpRequest, **arguments: object) -> list[SafeString]:
    """What each function of the slot answers, in their order; those with nothing to show left out."""
    answers = (function(request, **arguments) for _rank, function in _slots.get(name, ()))
    return [conditional_escape(answer) for answer in answers if answer]
