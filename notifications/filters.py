"""The filters of the page of pushes."""

from __future__ import annotations

import re

from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from core.filters import Choices, FilterSet, Group, ManyFilter, SearchFilter
from notifications.models import Push, PushSource
from notifications.services.reading import KINDS

_BETWEEN_DIGITS = re.compile(r"[\s\-.]+")


def _find(queryset: QuerySet[Push], text: str) -> QuerySet[Push]:
    """Pushes of the giccid typed, in any grouping, or with the event id typed."""
    text = text.strip()
    return queryset.filter(Q(giccid=_BETWEEN_DIGITS.sub("", text)) | Q(key=text))


def _sources(request: HttpRequest) -> Choices:
    if not request.user.has_perm("notifications.view_pushsource"):
        return []
    return [(name, name) for name in PushSource.objects.order_by("name").values_list("name", flat=True)]


class PushFilter(FilterSet):
    """``q`` (giccid or event id), ``giccid``, ``kind``, ``state``, ``source``; several values each but ``q``."""

    q = SearchFilter(find=_find)
    state = ManyFilter(label=_("State"), condition=lambda v: Q(state__in=v), choices=Push.State.choices)
    kind = ManyFilter(label=_("Kind"), condition=lambda v: Q(kind__in=v), choices=[(kind, kind) for kind in KINDS])
    source = ManyFilter(label=_("Source"), condition=lambda v: Q(source__name__in=v), choices=_sources)
    giccid = ManyFilter(label=_("giccid"), condition=lambda v: Q(giccid__in=v))

    def groups(self, *, whole: bool = False) -> list[Group]:
        """Without the giccid, which is typed or linked to and has no list to choose from."""
        return [group for group in super().groups(whole=whole) if group.name != "giccid"]
