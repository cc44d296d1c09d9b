"""Filters of list pages: several values each, whatever stands in the address, told back as chips."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy, deepcopy
from dataclasses import dataclass
from html import escape
from typing import Any, ClassVar

import django_filters
from django import forms
from django.db.models import Q, QuerySet
from django.http import HttpRequest, QueryDict
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

Text = str | Promise
Choices = Sequence[tuple[str, Text]]

MAX_VALUES = 100
MAX_LENGTH = 200


class Unchanged(dict[str, Any]):
    """What Django and its friends copy for every request lest it be changed, and nobody here changes."""

    def __deepcopy__(self, memo: Any) -> Unchanged:
        """The things themselves, in a dictionary of its own."""
        return Unchanged(self)


class AnyValuesField(forms.MultipleChoiceField):
    """Several texts, known or not: an unknown one finds nothing and is no error, since a link may be old."""

    def valid_value(self, value: str) -> bool:
        """Anything a database can be asked for."""
        return len(value) <= MAX_LENGTH and "\x00" not in value

    def to_python(self, value: Any) -> list[str]:
        """The values without empty ones and repetitions."""
        return list(dict.fromkeys(text for text in super().to_python(value) if text))[:MAX_VALUES]


@dataclass(frozen=True)
class Choice:
    """One line of a filter's list."""

    value: str
    label: Text
    checked: bool


class ManyFilter(django_filters.Filter):
    """A filter by any of several values.

    ``condition`` makes the values into a ``Q``. ``choices`` are what the page offers: pairs, or a function that
    gets the request and answers pairs; a function is called for whole pages only, as it may ask the database.
    ``labels`` are words for values that need no such question.
    """

    field_class = AnyValuesField

    def __init__(
        self,
        *,
        label: Text,
        condition: Callable[[list[str]], Q],
        choices: Choices | Callable[[HttpRequest], Choices] = (),
        labels: Mapping[str, Text] | None = None,
        **extra: Any,
    ) -> None:
        self.condition = condition
        self.choices = choices
        self.labels = labels if labels is not None else {} if callable(choices) else dict(choices)
        super().__init__(label=label, **extra)

    def __deepcopy__(self, memo: Any) -> ManyFilter:
        """For each request, which the copy belongs to. What it is made of stays as it was declared."""
        return copy(self)

    @property
    def asks(self) -> bool:
        """Whether its choices may be asked of the database."""
        return callable(self.choices)

    def filter(self, qs: QuerySet[Any], value: list[str] | None) -> QuerySet[Any]:
        """Rows that match any of ``value``; all of them without one."""
        return qs.filter(self.condition(value)) if value else qs

    def offered(self, request: HttpRequest, selected: Sequence[str]) -> list[Choice]:
        """What to tick: the choices, then selected values that are none of them."""
        pairs = list(self.choices(request) if callable(self.choices) else self.choices)
        known = {value for value, _label in pairs}
        pairs += [(value, value) for value in selected if value not in known]
        return [Choice(value, label, value in selected) for value, label in pairs]

    def label_of(self, value: str) -> Text:
        """What a chip calls ``value``: its label where that is known without the database."""
        return self.labels.get(value, value)


class SearchFilter(django_filters.Filter):
    """The search box: one text. ``find`` gets the queryset and the text as typed and answers the queryset."""

    field_class = forms.CharField

    def __init__(self, *, find: Callable[[QuerySet[Any], str], QuerySet[Any]], label: Text = "", **extra: Any) -> None:
        self.find = find
        super().__init__(label=label or _("Search"), max_length=MAX_LENGTH, required=False, **extra)

    def __deepcopy__(self, memo: Any) -> SearchFilter:
        """As that of :class:`ManyFilter`."""
        return copy(self)

    def filter(self, qs: QuerySet[Any], value: str) -> QuerySet[Any]:
        """The rows found; all of them for an empty box."""
        return self.find(qs, value) if value else qs


@dataclass(frozen=True)
class Chip:
    """One value that narrows the list, and the address without it."""

    label: Text
    value: Text
    url: str


@dataclass(frozen=True)
class Group:
    """One filter of the bar with what it offers."""

    name: str
    label: Text
    selected: list[str]
    choices: list[Choice] | None
    """``None`` for one that asks the database when somebody opens it."""

    @property
    def options(self) -> SafeString:
        """The choices as boxes to tick; of those that are not asked for yet, what is ticked, out of sight."""
        if self.choices is None:
            hidden = (f'<input type="hidden" name="{self.name}" value="{escape(value)}">' for value in self.selected)
            return SafeString("".join(hidden))
        return options(self.name, self.choices)


def options(name: str, choices: Iterable[Choice]) -> SafeString:
    """Boxes to tick, all with the same name. A list page has a hundred of them, so they need no template."""
    lines = (
        f'<label class="option"><input type="checkbox" name="{name}" value="{escape(choice.value)}"'
        f"{' checked' if choice.checked else ''}>{escape(str(choice.label))}</label>\n"
        for choice in choices
    )
    return SafeString("".join(lines))


class Later:
    """Stands for a queryset that is made when the rows of a :class:`FilterSet` are asked for."""

    model = None
    """Asked for by filters that make their own label."""

    def __init__(self, make: Callable[[], QuerySet[Any]]) -> None:
        self.all = make


class FilterSet(django_filters.FilterSet):
    """The filters of one list. What can't be used finds nothing and stands in :attr:`problems`."""

    _form_class: ClassVar[type[forms.Form]]

    hint: str = ""
    """A word to the person about what was typed, shown beside the count."""

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Narrow by every filter; nothing at all is found while one of them can't be used."""
        if self.form.errors:
            return queryset.none()
        return super().filter_queryset(queryset)

    @property
    def problems(self) -> list[str]:
        """What is wrong with the address, a sentence each."""
        return [
            f"{self.filters[name].label}: {error}"
            for name, errors in self.form.errors.items()
            for error in (errors if name in self.filters else [])
        ]

    def selected(self, name: str) -> list[str]:
        """The values of one filter as they stand in the address."""
        data: QueryDict = self.data
        return [value for value in dict.fromkeys(data.getlist(name)) if value][:MAX_VALUES]

    @classmethod
    def get_form_class(cls) -> type[forms.Form]:
        """The form that checks the address; the same one for every request."""
        if "_form_class" not in cls.__dict__:
            fields = {name: item.field for name, item in deepcopy(cls.base_filters).items()}
            cls._form_class = type(f"{cls.__name__}Form", (forms.Form,), fields)
            cls._form_class.base_fields = Unchanged(cls._form_class.base_fields)
        return cls._form_class

    def groups(self, *, whole: bool = False) -> list[Group]:
        """The filters of the bar, with all their choices if ``whole``: then it may ask the database."""
        return [self.group(name, whole=whole) for name, item in self.filters.items() if isinstance(item, ManyFilter)]

    def group(self, name: str, *, whole: bool = True) -> Group:
        """One filter of the bar. ``KeyError`` for a name that is none."""
        item, selected = self.filters[name], self.selected(name)
        if not isinstance(item, ManyFilter):
            raise KeyError(name)
        choices = item.offered(self.request, selected) if whole or not item.asks else None
        return Group(name, item.label, selected, choices)

    def chips(self, state: QueryDict, path: str) -> list[Chip]:
        """What narrows the list now. ``state`` is the address's state, which each chip's link is made from."""
        chips = []
        for name, item in self.filters.items():
            # The search box shows its text itself.
            for value in self.selected(name) if isinstance(item, ManyFilter) else ():
                without = state.copy()
                without.setlist(name, [other for other in state.getlist(name) if other != value])
                chips.append(Chip(item.label, item.label_of(value), address(path, without)))
        return chips


def address(path: str, state: QueryDict) -> str:
    """``path`` with ``state`` as its query string; no question mark without one."""
    query = state.urlencode()
    return f"{path}?{query}" if query else path
