"""The table of rules, and its filters."""

from __future__ import annotations

from typing import ClassVar

import django_tables2 as tables
from django.db.models import Q
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from core.filters import FilterSet, ManyFilter, SearchFilter
from core.rows import row_url
from core.spreadsheets import FileColumn
from core.tables import AgoColumn, BaseTable
from core.templatetags.portal import or_dash, severity_badge, switch_badge
from notifications import kinds
from notifications.models import Rule, Severity
from notifications.rule_words import any_of, operation_words

NUMBER = {"td": {"class": "num"}, "th": {"class": "num"}}


def _operation(rule: Rule) -> str:
    return operation_words(rule.operation_kind, rule.operation_params) if rule.operation_kind else ""


class RuleTable(BaseTable):
    """One line a rule."""

    name = tables.Column(verbose_name=_("Rule"), attrs={"td": {"class": "wide"}})
    active = tables.Column(verbose_name=_("State"), orderable=False)
    kinds = tables.Column(verbose_name=_("About"), orderable=False, attrs={"td": {"class": "wide"}})
    severity = tables.Column(verbose_name=_("Severity"), orderable=False)
    operation = tables.Column(accessor="operation_kind", verbose_name=_("Operation"), orderable=False, empty_values=())
    last = AgoColumn(accessor="last_fired", verbose_name=_("Last fired"), orderable=False)
    week = tables.Column(accessor="fired_in_week", verbose_name=_("In 7 days"), orderable=False, attrs=NUMBER)

    fixed = ("name", "active")

    files: ClassVar = {
        "active": (FileColumn(_("State"), lambda rule: "on" if rule.active else "off"),),
        "operation": (FileColumn(_("Operation"), _operation),),
    }

    class Meta:
        row_attrs = {
            "data-rule": lambda record: record.pk,
            "data-rule-active": lambda record: "on" if record.active else "off",
        }

    def render_name(self, record: Rule) -> SafeString:
        """Leads to the rule."""
        return format_html('<a href="{}" data-row-link>{}</a>', row_url("notifications:rule", record.pk), record.name)

    def render_active(self, record: Rule) -> SafeString:
        """On or off, as a badge."""
        return switch_badge(record.active)

    def render_kinds(self, record: Rule) -> str:
        """The first few by name."""
        return any_of([kinds.label_of(code) for code in record.kinds], most=2)

    def render_severity(self, record: Rule) -> SafeString:
        """As a badge."""
        return severity_badge(record.severity)

    def render_operation(self, record: Rule) -> object:
        """The operation it asks for, with its parameters."""
        return or_dash(_operation(record))


class RuleFilter(FilterSet):
    """``q`` (a part of the name), ``state`` (on, off), ``severity``."""

    q = SearchFilter(find=lambda rules, text: rules.filter(name__icontains=text.strip().replace("\x00", "")))
    state = ManyFilter(
        label=_("State"),
        condition=lambda values: Q(active__in=[value == "on" for value in values if value in ("on", "off")]),
        choices=[("on", _("On")), ("off", _("Off"))],
    )
    severity = ManyFilter(
        label=_("Severity"), condition=lambda values: Q(severity__in=values), choices=Severity.choices
    )
