"""The least a list of SIMs can cost in Django: one query by key, one small template, the portal's own middleware.

What the portal's list adds (filters, sort, count, columns, badges) is told as a ratio to this.
"""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.template import Context, Engine
from django.urls import path

from sims.models import Sim
from smarthub_portal.urls import (  # noqa: F401 - Django finds the handlers by name
    handler400,
    handler403,
    handler404,
    handler500,
)
from smarthub_portal.urls import urlpatterns as portal_urls

_COLUMNS = ("giccid", "imsi", "msisdn", "imei", "status", "account_id", "plan__name", "data_usage", "last_session_at")
_TEMPLATE = Engine().from_string(
    "<!DOCTYPE html><title>SIMs</title><table>{% for row in rows %}<tr>{% for value in row %}<td>{{ value }}</td>"
    "{% endfor %}</tr>{% endfor %}</table>"
)


def bare_list(request: HttpRequest) -> HttpResponse:
    """Fifty SIMs after ``?after=<giccid>``."""
    rows = Sim.objects.filter(giccid__gt=request.GET.get("after", "")).order_by("giccid").values_list(*_COLUMNS)[:50]
    return HttpResponse(_TEMPLATE.render(Context({"rows": rows})))


urlpatterns = [path("bare/", bare_list), *portal_urls]
