"""The inbox of pushes, for administrators: the list, one push, and having it done again."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_POST

from core.listing import ListView
from notifications import selectors
from notifications.filters import PushFilter
from notifications.models import Push
from notifications.services import dispatch
from notifications.tables import PushTable


class PushList(ListView):
    """All pushes, newest first."""

    name = "pushes"
    template_name = "notifications/pushes.html"
    permission_required = "notifications.view_push"
    table_class = PushTable
    filterset_class = PushFilter
    orders = {"received": "pk"}
    default_sort = "-received"
    noun = gettext_lazy("push")
    noun_plural = gettext_lazy("pushes")

    def get_queryset(self) -> QuerySet[Any]:
        """Without the bodies, which may be 256 kB each."""
        return selectors.list_pushes(self.request.user).defer("body")


def _push_or_404(request: HttpRequest, pk: int) -> Push:
    try:
        return selectors.get_push(request.user, pk)
    except (Push.DoesNotExist, OverflowError):
        raise Http404 from None


@require_GET
@permission_required("notifications.view_push", raise_exception=True)
def detail(request: HttpRequest, pk: int) -> HttpResponse:
    """One push: what came, what it led to, what is wrong with it."""
    push = _push_or_404(request, pk)
    context = {
        "push": push,
        "sim": selectors.sim_of(request.user, push),
        "body": selectors.formatted_body(push),
        "events": selectors.events_of(push),
        "can_replay": push.state in dispatch.REPLAYABLE and request.user.has_perm("notifications.replay_push"),
    }
    return render(request, "notifications/push.html", context)


@require_POST
@permission_required("notifications.replay_push", raise_exception=True)
def replay(request: HttpRequest, pk: int) -> HttpResponse:
    """Have one push done again; answers 303 to its page, which says so."""
    push = _push_or_404(request, pk)
    if dispatch.replay(Push.objects.filter(pk=push.pk), actor=request.user):  # type: ignore[arg-type]  # signed in
        messages.success(request, _("The push is being done again."))
    else:
        messages.warning(request, _("This push waits for a worker already, or can't be done again."))
    response = redirect("notifications:push", push.pk)
    response.status_code = 303
    return response
