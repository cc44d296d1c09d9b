"""What the receiver of pushes is measured against, served by the same processes: two views and their application.

``/bare/`` inserts and commits one row of the same size with Django's ORM, ``/empty/`` does nothing. Neither passes
any middleware. Every other address is the portal's.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, ClassVar

from django.core.handlers.wsgi import WSGIHandler
from django.core.wsgi import get_wsgi_application
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.test.utils import override_settings
from django.urls import path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "smarthub_portal.settings")
portal = get_wsgi_application()

BESIDE_THE_BODY = 160
"""Bytes of a push's row beside its body, texts and times."""


class Row(models.Model):
    """A table with nothing but its primary key."""

    body = models.TextField()
    rest = models.TextField()
    objects: ClassVar[models.Manager[Row]] = models.Manager()

    class Meta:
        app_label = "benchmarks"
        managed = False
        db_table = "bench_row"

    def __str__(self) -> str:
        return str(self.pk)


def bare(request: HttpRequest) -> HttpResponse:
    """One row, committed before the answer."""
    Row.objects.create(body=request.body.decode(), rest="x" * BESIDE_THE_BODY)
    return HttpResponse(b'{"received": true}', content_type="application/json")


def empty(request: HttpRequest) -> HttpResponse:
    """Nothing."""
    return HttpResponse(b'{"received": true}', content_type="application/json")


urlpatterns = [path("bare/", bare), path("empty/", empty)]

Answer = Callable[[dict[str, Any], Callable[..., Any]], Any]


class _Bare(WSGIHandler):
    """Finds its views in this module, whatever ``ROOT_URLCONF`` says."""

    def load_middleware(self, is_async: bool = False) -> None:
        with override_settings(MIDDLEWARE=[]):
            super().load_middleware(is_async)

    def resolve_request(self, request: HttpRequest) -> Any:
        request.urlconf = __name__
        return super().resolve_request(request)


_bare: Answer = _Bare()


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
    """The portal, but for the two addresses."""
    answer = _bare if environ["PATH_INFO"] in ("/bare/", "/empty/") else portal
    return answer(environ, start_response)
