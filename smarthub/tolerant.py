"""Tolerant reading: what can be read is read, what cannot is named, nothing is thrown away."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Annotated, Any, Generic, Self, TypeVar, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    model_validator,
)
from pydantic.alias_generators import to_camel

from smarthub.values import is_giccid, parse_time

T = TypeVar("T")


def _time(value: object) -> datetime:
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value
    return parse_time(value)  # type: ignore[arg-type] # parse_time refuses what is not text


def _giccid(value: object) -> str:
    # Some JSON writers make a number of an all-digit text; an int of Python loses no digit.
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not is_giccid(text):
        raise ValueError("not 19 or 20 digits")
    return str(text)


def _not_bool(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("a number is expected")  # pydantic collects ValueError only
    return value


Time = Annotated[datetime, BeforeValidator(_time)]
Giccid = Annotated[str, BeforeValidator(_giccid)]
# What a database's 64-bit column holds; a greater or negative count is nonsense and read as unreadable.
Count = Annotated[int, BeforeValidator(_not_bool), Field(ge=0, le=2**63 - 1)]


class WireModel(BaseModel):
    """A JSON object of the carrier, read tolerantly.

    Unknown fields stay in `raw`; an absent optional field is None; an optional field, list element or
    map entry that can't be read is left out and its path is listed in `unreadable`. Only an unreadable
    or absent required field raises pydantic's ValidationError.
    """

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        coerce_numbers_to_str=True,
        frozen=True,
        hide_input_in_errors=True,
        protected_namespaces=(),
    )

    # Slots in place of pydantic's private attributes: these cost a third of the reading of a SIM.
    __slots__ = ("_lost", "_received", "_unreadable")

    @property
    def raw(self) -> dict[str, Any]:
        """The JSON object as received (do not change it); a copied or pickled object has an empty one."""
        received: dict[str, Any] = getattr(self, "_received", {})
        return received

    @property
    def unreadable(self) -> tuple[str, ...]:
        """Paths (wire names, no values) of what was sent but could not be read, nested objects included."""
        found: tuple[str, ...] | None = getattr(self, "_unreadable", None)
        if found is None:
            found = getattr(self, "_lost", ())
            if holders := _holders(type(self)):
                found = (*found, *_nested_unreadable(self, holders))
            object.__setattr__(self, "_unreadable", found)
        return found

    @model_validator(mode="wrap")
    @classmethod
    def _read(cls, data: Any, handler: ValidatorFunctionWrapHandler) -> Self:
        if not isinstance(data, dict):
            return handler(data)
        lost: list[str] = []
        readable = data
        while True:
            try:
                model: Self = handler(readable)
                break
            except ValidationError as error:
                readable = _without_bad(cls, readable, error, lost)
        object.__setattr__(model, "_received", data)
        found = tuple(lost)
        object.__setattr__(model, "_lost", found)
        # Where no object lies within, that is all there is to tell.
        object.__setattr__(model, "_unreadable", None if _holders(cls) else found)
        return model


def _without_bad(
    model: type[WireModel], data: dict[str, Any], error: ValidationError, lost: list[str]
) -> dict[str, Any]:
    """A copy of data without what failed; raises the error on when a required field is to blame."""
    by_wire_name = {field.alias: field for field in model.model_fields.values()}
    bad: dict[str, set[Any]] = {}
    for line in error.errors(include_url=False, include_context=False, include_input=False):
        loc = line["loc"]
        key = str(loc[0]) if loc else ""
        if key not in data:
            raise error
        inner = loc[1] if len(loc) > 1 and isinstance(data[key], list | dict) else None
        bad.setdefault(key, set()).add(inner)
    copy = dict(data)
    for key, parts in bad.items():
        field = by_wire_name.get(key) or model.model_fields[key]
        value = data[key]
        if None not in parts and isinstance(value, list):
            copy[key] = [item for index, item in enumerate(value) if index not in parts]
            lost.extend(f"{key}[{index}]" for index in sorted(parts))
        elif None not in parts and isinstance(value, dict) and parts & value.keys():
            # Keys of a map are the carrier's data, so only the map's own name is told.
            copy[key] = {name: item for name, item in value.items() if name not in parts}
            lost.append(f"{key}.*")
        elif field.is_required():
            raise error
        else:
            del copy[key]
            lost.append(key)
    return copy


def _nested_unreadable(model: WireModel, holders: tuple[tuple[str, str | None], ...]) -> list[str]:
    paths: list[str] = []
    for name, alias in holders:
        value = getattr(model, name)
        if value is None:
            continue
        if isinstance(value, WireModel):
            paths.extend(f"{alias}.{path}" for path in value.unreadable)
        elif isinstance(value, list):
            for index, item in enumerate(value):
                if isinstance(item, WireModel):
                    paths.extend(f"{alias}[{index}].{path}" for path in item.unreadable)
    return paths


@cache
def _holders(model: type[WireModel]) -> tuple[tuple[str, str | None], ...]:
    """Fields that may hold objects of the contract, or lists of them, with their wire names."""
    return tuple((name, field.alias) for name, field in model.model_fields.items() if _holds_model(field.annotation))


def _holds_model(annotation: Any) -> bool:
    if annotation is Any or (isinstance(annotation, type) and issubclass(annotation, WireModel)):
        return True
    return any(_holds_model(part) for part in get_args(annotation))


def why_unreadable(error: ValidationError) -> str:
    """Say which fields made an object unreadable, by name and kind of error, without any value."""
    lines = error.errors(include_url=False, include_context=False, include_input=False)
    return ", ".join(
        sorted({f"{'.'.join(str(part) for part in line['loc']) or 'object'} {line['type']}" for line in lines})
    )


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list (the shape is documented for change logs, assumed for the rest).

    `page` counts from 0; `size` is the size the answer reports (may be smaller than asked: page numbers
    count in it), or the size asked for where it reports none (`size_told` False); `total` is None when the
    answer does not say. `unreadable` holds one reason, without personal data, for each element that could not
    be read.
    """

    data: Sequence[T]
    unreadable: Sequence[str]
    page: int
    size: int
    total: int | None
    size_told: bool = True

    @property
    def is_last(self) -> bool:
        """Whether nothing follows: by `total` where it is told, else by a page that is not full."""
        received = len(self.data) + len(self.unreadable)
        if received == 0:
            return True
        if self.total is None:
            return received < self.size
        return (self.page + 1) * self.size >= self.total
