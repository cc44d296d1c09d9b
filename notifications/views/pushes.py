"""The inbox of pushes, for administrators: the list, one push, and having it done again."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect

from core.htmx import render_fragment, wants_fragment
from core.listing import Listing
from core.live_rows import LiveListView
from core.paging import capped_count
from notifications import selectors
from notifications.filters import PushFilter
from notifications.models import Push
from notifications.services import dispatch, replaying
from notifications.tables import PushTable

REPLAY = "notifications.replay_push"


class PushList(LiveListView):
    """All pushes, newest first; new ones come in by themselves."""

    name = "pushes"
    template_name = "notifications/pushes.html"
    permission_required = "notifications.view_push"
    table_class = PushTable
    filterset_class = PushFilter
    orders = {"received": "pk"}
    default_sort = "-received"
    keeps_statements = True
    noun = gettext_lazy("push")
    noun_plural = gettext_lazy("pushes")
    live_fields = ("state", "attempts", "kind", "account_name")
    live_newer = True

    def get_queryset(self) -> QuerySet[Any]:
        """Without the bodies, which may be 256 kB each."""
        return selectors.list_pushes(self.request.user).defer("body")

    def extra_context(self, listing: Listing) -> dict[str, Any]:
        """The way to replay all of them, and what an empty list says."""
        may_replay = self.request.user.has_perm(REPLAY) and listing.count.number
        context = {
            "list_bar": "notifications/pushes_bar.html" if may_replay else "",
            "empty_title": _("No pushes yet"),
            "empty_text": _(
                "Make a push source and enter its address at the carrier; its pushes appear here by themselves."
            ),
        }
        if self.request.user.has_perm("notifications.view_pushsource"):
            context |= {"empty_url": reverse("notifications:sources"), "empty_action": _("See the sources")}
        return context


def _push_or_404(request: HttpRequest, pk: int) -> Push:
    try:
        return selectors.get_push(request.user, pk)
    except (Push.DoesNotExist, OverflowError):
        raise Http404 from None


@require_safe
@permission_required("notifications.view_push", raise_exception=True)
def detail(request: HttpRequest, pk: int) -> HttpResponse:
    """One push: what came, what it led to, what is wrong with it."""
    push = _push_or_404(request, pk)
    context = {
        "push": push,
        "sim": selectors.sim_of(request.user, push),
        "body": selectors.formatted_body(push),
        "events": selectors.events_of(push),
        "lines": selectors.lines_of(request.user, push),
        "message": selectors.message_of(request.user, push),
        "can_replay": push.state in dispatch.REPLAYABLE and request.user.has_perm(REPLAY),
    }
    return render(request, "notifications/push.html", context)


@require_POST
@permission_required(REPLAY, raise_exception=True)
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


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required(REPLAY, raise_exception=True)
def replay_all(request: HttpRequest) -> HttpResponse:
    """Have all pushes of the list with this address done again: GET asks, POST does it, many of them in a worker."""
    back = f"{reverse('notifications:pushes')}?{request.GET.urlencode()}".rstrip("?")
    if request.method != "POST":
        matching = replaying.matching(request.user, request.GET)  # type: ignore[arg-type]  # signed in
        context = {"count": capped_count(matching), "back": back, "chunk": dispatch.BATCH}
        context["query"] = request.GET.urlencode()
        return render_fragment(request, "notifications/push_replay.html", "dialog", context)
    count = replaying.request_replay(request.user, request.GET)  # type: ignore[arg-type]  # signed in
    if count is None:
        messages.success(request, _("The pushes are being done again, chunk by chunk."))
    elif count:
        text = ngettext("%(count)s push is being done again.", "%(count)s pushes are being done again.", count)
        messages.success(request, text % {"count": count})
    else:
        messages.warning(request, _("Nothing of this can be done again now."))
    if wants_fragment(request):
        return HttpResponseClientRedirect(back)
    response = redirect(back)
    response.status_code = 303
    return response
