"""Rules, for administrators: the list, one rule with its trial, the form, and what can be done with it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.db.models import QuerySet
from django.forms.boundfield import BoundWidget
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from core.htmx import render_fragment
from core.listing import Listing, ListView
from notifications import kinds
from notifications.models import Rule
from notifications.rule_form import RuleForm, initial_of
from notifications.rule_words import operation_words, sentences
from notifications.selectors import rules as selectors
from notifications.services import proposals, rules, trial
from notifications.tables_rules import RuleFilter, RuleTable
from staff.forms import time_zone_names

VIEW, ADD, CHANGE, DELETE = (f"notifications.{verb}_rule" for verb in ("view", "add", "change", "delete"))


class RuleList(ListView):
    """All rules, by name."""

    name = "rules"
    template_name = "notifications/rules.html"
    permission_required = VIEW
    table_class = RuleTable
    filterset_class = RuleFilter
    orders = {"name": "name"}
    unique_key = "name"
    default_sort = "name"
    noun = gettext_lazy("rule")
    noun_plural = gettext_lazy("rules")

    def get_queryset(self) -> QuerySet[Any]:
        """With how often each has fired."""
        return selectors.list_rules(self.request.user)

    def extra_context(self, listing: Listing) -> dict[str, Any]:
        """What to do where there is no rule."""
        return {
            "empty_title": _("No rule yet"),
            "empty_text": _("Without rules nobody is told of anything. Make the first one; it starts switched off."),
            "empty_url": reverse("notifications:rule_new"),
            "empty_action": _("New rule"),
        }


def _rule_or_404(request: HttpRequest, pk: int) -> Rule:
    try:
        return selectors.get_rule(request.user, pk)
    except (Rule.DoesNotExist, OverflowError):
        raise Http404 from None


def _to(rule: Rule) -> HttpResponse:
    return HttpResponseRedirect(reverse("notifications:rule", args=[rule.pk]), status=303)


@require_safe
@permission_required(VIEW, raise_exception=True)
def detail(request: HttpRequest, pk: int) -> HttpResponse:
    """One rule: what it does, in words; whether it is on; what it made; its trial."""
    rule = _rule_or_404(request, pk)
    return render(request, "notifications/rule.html", _context(request, rule))


def _context(request: HttpRequest, rule: Rule) -> dict[str, Any]:
    user: Any = request.user
    params = rule.operation_params
    return {
        "rule": rule,
        "sentences": sentences(rules.values_of(rule)),
        "operation": operation_words(rule.operation_kind, params) if rule.operation_kind else "",
        "allowed": proposals.is_allowed(rule),
        "digest": proposals.digest(rule),
        "may_allow": proposals.may_allow(rule, user.pk),
        "deletable": not selectors.has_made_something(rule),
        "trial_days": trial.DAYS,
        "per_hour": settings.CONFIG["RULE_AUTOMATIC_PER_HOUR"],
    }


@require_safe
@permission_required(VIEW, raise_exception=True)
def try_it(request: HttpRequest, pk: int) -> HttpResponse:
    """Try the rule on the last ``days`` (7, 30 or 90); the page of the rule with the result, or that part alone."""
    rule = _rule_or_404(request, pk)
    asked = request.GET.get("days", "")
    days = int(asked) if asked in {str(days) for days in trial.DAYS} else trial.DAYS[0]
    result = trial.try_rule(rule, days=days, user=request.user)
    for event in result.sample:
        event.words = kinds.describe(event.kind, event.value, event.detail)  # type: ignore[attr-defined]  # for the page
        event.label = kinds.label_of(event.kind)  # type: ignore[attr-defined]  # for the page
    context = {**_context(request, rule), "trial": result, "most_events": trial.MOST_EVENTS}
    return render_fragment(request, "notifications/rule.html", "trial", context)


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required(ADD, raise_exception=True)
def new(request: HttpRequest) -> HttpResponse:
    """The form for a new rule, with ``?copy=`` filled in from another; POST makes it, switched off."""
    values: dict[str, Any] = {"quiet_zone": timezone.get_current_timezone_name()}
    copied = request.GET.get("copy", "")
    if copied.isascii() and copied.isdigit() and len(copied) < 19:
        rule = _rule_or_404(request, int(copied))
        values = {**rules.values_of(rule), "name": _("Copy of %(name)s") % {"name": rule.name}, "automatic": False}
    return _edit(request, None, values)


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required(CHANGE, raise_exception=True)
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    """The form of a rule; POST changes it."""
    rule = _rule_or_404(request, pk)
    return _edit(request, rule, rules.values_of(rule))


def _edit(request: HttpRequest, rule: Rule | None, values: dict[str, Any]) -> HttpResponse:
    user: Any = request.user
    if request.method != "POST":
        form = RuleForm(user=user, rule=rule, initial=initial_of(values))
        return _form_page(request, form, sentences(values) if values.get("kinds") else [])
    form = RuleForm(request.POST, user=user, rule=rule)
    if form.is_valid():
        try:
            seen = request.POST.get("seen", "")
            saved = rules.save_rule(rule=rule, values=form.rule_values(), actor=user, seen=seen)
        except rules.Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            made = _("The rule is made and still switched off. Try it on what happened, then switch it on.")
            messages.success(request, _("The rule is changed.") if rule is not None else made)
            return _to(saved)
    return _form_page(request, form, sentences(form.rule_values()), status=422)


def _form_page(request: HttpRequest, form: RuleForm, words: list[str], status: int = 200) -> HttpResponse:
    context = {
        "form": form,
        "rule": form.rule,
        "seen": rules.version(form.rule) if form.rule is not None else "",
        "sentences": words,
        "kind_groups": _kind_groups(form),
        "zones": time_zone_names(),
    }
    return render(request, "notifications/rule_form.html", context, status=status)


def _kind_groups(form: RuleForm) -> list[tuple[str, list[tuple[BoundWidget, object]]]]:
    """The boxes of the kinds with the unit of each, the carrier's and the portal's."""
    groups: dict[bool, list[tuple[BoundWidget, object]]] = {True: [], False: []}
    for box in form["kinds"]:
        kind = kinds.KINDS.get(str(box.data["value"]))
        groups[kind is None or kind.of_carrier].append((box, kind.unit if kind and kind.figure else ""))
    return [(_("What the carrier tells of SIMs"), groups[True]), (_("What the portal tells of itself"), groups[False])]


@require_POST
@permission_required(VIEW, raise_exception=True)
def sentence(request: HttpRequest) -> HttpResponse:
    """What a rule of this form would do, in words, as one fills it in. Writes nothing."""
    user: Any = request.user
    form = RuleForm(request.POST, user=user)
    form.is_valid()
    context = {"sentences": sentences(form.rule_values())}
    return render(request, "notifications/rule_form.html#sentence", context)


@require_POST
@permission_required(CHANGE, raise_exception=True)
def switch(request: HttpRequest, pk: int) -> HttpResponse:
    """Switch it on (``on=1``) or off."""
    rule, on = _rule_or_404(request, pk), request.POST.get("on") == "1"
    try:
        rules.switch(rule, on=on, actor=request.user)  # type: ignore[arg-type]  # signed in
    except rules.Refused:
        raise Http404 from None
    messages.success(request, _("The rule is switched on.") if on else _("The rule is switched off."))
    return _to(rule)


@require_POST
@permission_required(proposals.ALLOW, raise_exception=True)
def allow(request: HttpRequest, pk: int) -> HttpResponse:
    """Allow it to act without approval (``allow=1`` with the ``digest`` of what was read), or take that back."""
    rule, user = _rule_or_404(request, pk), request.user
    if request.POST.get("allow") != "1":
        rules.disallow(rule, actor=user)  # type: ignore[arg-type]  # signed in
        messages.success(request, _("From now on what the rule asks for waits for approval."))
        return _to(rule)
    try:
        rules.allow(rule, digest=request.POST.get("digest", ""), actor=user)  # type: ignore[arg-type]  # signed in
    except rules.Refused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, _("The rule may now change SIMs without approval."))
    return _to(rule)


@require_POST
@permission_required(DELETE, raise_exception=True)
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Delete a rule that has made nothing."""
    rule = _rule_or_404(request, pk)
    try:
        rules.delete_rule(rule, actor=request.user)  # type: ignore[arg-type]  # signed in
    except rules.Refused as refusal:
        messages.error(request, str(refusal))
        return _to(rule)
    messages.success(request, _("The rule is deleted."))
    response = redirect("notifications:rules")
    response.status_code = 303
    return response
