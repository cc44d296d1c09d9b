"""What the portal's pages are compared with, behind the portal's own middleware and with its sessions.

**F**, at ``/bare/``, is the least that a list of SIMs can cost with Django's ORM and templates: fifty rows after a key
with their plan and pool, twelve values each, written by a template in a page that has a link to the next one.

**A**, at ``/plain/``, is the list that Django's admin makes of SIMs with hardly any code: the columns of the portal's
list, a search over the four identifiers, fifty rows a page; all else as Django has it.
"""

from __future__ import annotations

from typing import ClassVar

from django.contrib.admin import AdminSite, ModelAdmin
from django.http import HttpRequest, HttpResponse
from django.template import engines
from django.urls import path

from sims.models import Sim
from smarthub_portal.urls import (  # noqa: F401 - Django finds the handlers by name
    handler400,
    handler403,
    handler404,
    handler500,
)
from smarthub_portal.urls import urlpatterns as portal_urls

ROWS = 50
_TEMPLATE = engines["django"].from_string(
    "<!DOCTYPE html><html><head><title>SIMs</title></head><body><table>{% for sim in rows %}<tr>"
    "<td>{{ sim.giccid }}</td><td>{{ sim.imsi }}</td><td>{{ sim.msisdn }}</td><td>{{ sim.imei }}</td>"
    "<td>{{ sim.status }}</td><td>{{ sim.account_id }}</td><td>{{ sim.plan.name }}</td><td>{{ sim.pool.name }}</td>"
    "<td>{{ sim.data_usage }}</td><td>{{ sim.data_quota }}</td><td>{{ sim.online }}</td>"
    '<td>{{ sim.last_session_at }}</td></tr>{% endfor %}</table><a href="?after={{ last }}">next</a></body></html>'
)


def bare_list(request: HttpRequest) -> HttpResponse:
    """F: fifty SIMs after ``?after=<giccid>``."""
    sims = Sim.objects.select_related("plan", "pool").defer("search", "plan__raw", "pool__raw")
    rows = list(sims.filter(giccid__gt=request.GET.get("after", "")).order_by("giccid")[:ROWS])
    context = {"rows": rows, "last": rows[-1].giccid if rows else ""}
    return HttpResponse(_TEMPLATE.render(context, request))


class PlainSims(ModelAdmin):
    """A."""

    list_display = (
        "giccid",
        "status",
        "msisdn",
        "plan",
        "data_usage",
        "online",
        "last_session_at",
        "account_id",
    )
    search_fields: ClassVar = ("giccid", "imsi", "msisdn", "imei")
    list_per_page = ROWS


plain_admin = AdminSite(name="plain")
plain_admin.register(Sim, PlainSims)

urlpatterns = [path("bare/", bare_list), path("plain/", plain_admin.urls), *portal_urls]
