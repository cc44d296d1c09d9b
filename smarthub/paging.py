"""A page of one of the carrier's lists: its elements one by one, and its numbers."""

import re
from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import ValidationError

from smarthub import contract
from smarthub.contract import Page
from smarthub.tolerant import WireModel, why_unreadable
from smarthub.values import is_giccid

M = TypeVar("M", bound=WireModel)
T = TypeVar("T")


def read_page(model: type[M], answer: dict[str, Any], page: int, asked_size: int) -> Page[M]:
    """Read a page's elements one by one; `answer["data"]` is a list."""
    return page_of(model.model_validate, answer, page, asked_size)


def page_of(read: Callable[[dict[str, Any]], T], answer: dict[str, Any], page: int, asked_size: int) -> Page[T]:
    """As :func:`read_page`, by a function that raises ValidationError for an element that it can't read."""
    data: list[T] = []
    unreadable: list[str] = []
    for index, item in enumerate(answer["data"]):
        if not isinstance(item, dict):
            unreadable.append(f"element {index}: not an object")
            continue
        try:
            data.append(read(item))
        except ValidationError as error:
            unreadable.append(f"element {index}: {why_unreadable(error)}")
    size = count(answer.get("size"), 0)
    total = count(answer.get("total"), -1)
    return Page(
        data=data,
        unreadable=unreadable,
        page=page,
        size=size or asked_size,
        total=None if total < 0 else total,
        size_told=bool(size),
    )


def with_giccid(item: dict[str, Any]) -> dict[str, Any]:
    """A SIM as it came, when its giccid is readable; raises ValidationError else."""
    if not is_giccid(item.get("giccid")):
        contract.Sim.model_validate(item)
    return item


def count(value: object, otherwise: int) -> int:
    """A number of the page as the carrier writes it, also as text; ``otherwise`` for what is none."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,18}", value):
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else otherwise
