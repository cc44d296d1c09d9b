"""The form of a rule."""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias, cast

from django import forms
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from notifications import kinds
from notifications.models import Forward, Rule, Severity
from notifications.rule_words import period
from notifications.services.emails import clean_addresses
from notifications.services.proposals import KINDS as OPERATIONS
from notifications.services.proposals import answers_itself
from operations.forms import ChangePlanForm, SetApnForm, refuse_control_characters
from operations.kinds import KINDS as OPERATION_KINDS
from sims.models import Account, RatePlan
from sims.selectors.tags import known_tags
from staff.models import User
from staff.roles import ROLES
from staff.scopes import colleagues, visible_accounts

Choices: TypeAlias = Sequence[tuple[str, str | Promise]]
PERIODS = (3600, 6 * 3600, 86400, 7 * 86400, 30 * 86400)
WINDOWS = (15 * 60, 3600, 6 * 3600, 86400)
_LONGEST_KEY = 18


class ManyField(forms.MultipleChoiceField):
    """Boxes to tick; none of them by default."""

    def __init__(self, **extra: Any) -> None:
        super().__init__(required=False, widget=forms.CheckboxSelectMultiple, **extra)


class RowsField(forms.ModelMultipleChoiceField):
    """Boxes to tick for rows."""

    def __init__(self, **extra: Any) -> None:
        super().__init__(required=False, widget=forms.CheckboxSelectMultiple, **extra)

    def clean(self, value: Any) -> Any:
        """The rows as a list. A number beyond those that a database counts to is no row, and no error of a query."""
        beyond = [key for key in value or () if len(str(key)) > _LONGEST_KEY]
        if beyond:
            raise ValidationError(
                self.error_messages["invalid_choice"], code="invalid_choice", params={"value": beyond[0][:_LONGEST_KEY]}
            )
        return list(super().clean(value))


class SecondsField(forms.TypedChoiceField):
    """A length of time, of a few."""

    def __init__(self, **extra: Any) -> None:
        super().__init__(coerce=int, **extra)

    def offer(self, seconds: Iterable[int], nothing: str | Promise, stored: int) -> None:
        """Offer ``nothing`` (0), these lengths, and the one that is stored."""
        lengths = sorted({*seconds, stored} - {0})
        self.choices = [("0", nothing), *((str(length), period(length)) for length in lengths)]


class RuleForm(forms.Form):
    """All of a rule but whether it is switched on. ``rule_values()`` of a valid form is what the service takes."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=80,
        validators=[refuse_control_characters],
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text=gettext_lazy("It stands in the reason of the operations that the rule asks for."),
    )
    kinds = forms.MultipleChoiceField(
        label=gettext_lazy("What the rule is about"),
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": gettext_lazy("Please tick at least one.")},
    )
    threshold = forms.FloatField(
        label=gettext_lazy("From this figure on"),
        required=False,
        min_value=0,
        max_value=1e12,
        help_text=gettext_lazy(
            "In the unit that stands behind the kind: percent of the quota, hours without a session. "
            "Empty: every event."
        ),
    )
    accounts = ManyField(label=gettext_lazy("Accounts"))
    plans = ManyField(label=gettext_lazy("Rate plans"))
    tags = ManyField(label=gettext_lazy("Tags"))
    once_per = SecondsField(
        label=gettext_lazy("At most one per SIM in"),
        help_text=gettext_lazy("Counted from when it happened, whenever the carrier tells it."),
    )

    severity = forms.ChoiceField(
        label=gettext_lazy("Severity"),
        choices=Severity.choices,
        widget=forms.RadioSelect,
        initial=Severity.WARNING,
    )
    group_within = SecondsField(
        label=gettext_lazy("One line for all within"),
        help_text=gettext_lazy("Events of the same kind and account, from the first one on."),
    )
    roles = RowsField(queryset=Group.objects.none(), label=gettext_lazy("Roles that see it"))
    users = RowsField(queryset=User.objects.none(), label=gettext_lazy("People who see it"))

    emails = forms.CharField(
        label=gettext_lazy("E-mail to"),
        required=False,
        max_length=5000,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false", "autocomplete": "off"}),
        help_text=gettext_lazy("One address in each line."),
    )
    digest = forms.ChoiceField(
        label=gettext_lazy("E-mails"), choices=Rule.Digest.choices, required=False, widget=forms.RadioSelect
    )
    quiet_from = forms.TimeField(
        label=gettext_lazy("Quiet from"), required=False, widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M")
    )
    quiet_until = forms.TimeField(
        label=gettext_lazy("Quiet until"),
        required=False,
        widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
    )
    quiet_zone = forms.CharField(
        label=gettext_lazy("Time zone"),
        required=False,
        max_length=60,
        widget=forms.TextInput(attrs={"list": "time-zones", "autocomplete": "off", "spellcheck": "false"}),
        help_text=gettext_lazy("Of the quiet hours, such as Europe/Berlin. Empty: UTC."),
    )
    forwards = RowsField(queryset=Forward.objects.none(), label=gettext_lazy("Webhooks"))

    operation_kind = forms.ChoiceField(
        label=gettext_lazy("Operation on the SIM"), required=False, widget=forms.RadioSelect
    )
    plan = forms.ChoiceField(label=gettext_lazy("New rate plan"), required=False)
    effective = forms.ChoiceField(
        label=gettext_lazy("Takes effect"),
        required=False,
        widget=forms.RadioSelect,
        initial="NOW",
        choices=cast(forms.ChoiceField, ChangePlanForm.base_fields["effective"]).choices,
    )
    apn = forms.CharField(
        label=gettext_lazy("APN"),
        required=False,
        max_length=100,
        validators=[refuse_control_characters],
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "off", "spellcheck": "false"}),
        help_text=gettext_lazy("For a SIM that has no such APN, nothing is proposed."),
    )
    apn_status = forms.ChoiceField(
        label=gettext_lazy("Switch it"),
        required=False,
        widget=forms.RadioSelect,
        initial="DISABLED",
        choices=cast(forms.ChoiceField, SetApnForm.base_fields["apn_status"]).choices,
    )
    automatic = forms.BooleanField(label=gettext_lazy("Without approval"), required=False)

    def __init__(self, *args: Any, user: User, rule: Rule | None = None, **kwargs: Any) -> None:
        self.user, self.rule = user, rule
        super().__init__(*args, **kwargs)
        stored = rule if rule is not None else Rule()
        of_carrier = list(kinds.choices(of_carrier=True))
        of_portal = list(kinds.choices(of_carrier=False))
        self._offer("kinds", [*of_carrier, *of_portal], stored.kinds)
        accounts = visible_accounts(user)
        names = sorted(accounts) if accounts is not None else Account.objects.order_by("name").values_list("name")
        self._offer("accounts", _pairs(names), stored.accounts)
        self.fields["accounts"].required = accounts is not None
        plans = RatePlan.objects.filter(kind=RatePlan.Kind.BASIC)
        if accounts is not None:
            plans = plans.filter(accounts__in=sorted(accounts)).distinct()
        self._offer("plans", _pairs(plans.order_by("code").values_list("code")), stored.plans)
        self._offer("tags", _pairs(known_tags(user)), stored.tags)
        cast(SecondsField, self.fields["once_per"]).offer(PERIODS, _("No limit: every event counts"), stored.once_per)
        cast(SecondsField, self.fields["group_within"]).offer(
            WINDOWS, _("Not at all: a line for each"), stored.group_within
        )
        self._rows("roles").queryset = Group.objects.filter(name__in=ROLES).order_by("pk")
        people = Q(is_active=True, groups__name__in=ROLES, pk__in=colleagues(user).values("pk"))
        forwards = Forward.objects.order_by("name")
        # Who may not choose others may still keep what the rule has.
        if rule is not None:
            people |= Q(pk__in=rule.users.values("pk"))
        if not user.has_perm("notifications.view_forward"):
            forwards = forwards.none() if rule is None else forwards.filter(rules=rule)
        self._rows("users").queryset = User.objects.filter(people).distinct().order_by("username")
        self._rows("forwards").queryset = forwards
        self._offer_operations(stored, plans)

    def _offer(self, name: str, choices: Choices, stored: Iterable[str] = ()) -> None:
        """Choices, and what is stored and none of them (any more)."""
        known = {value for value, _label in choices}
        field = cast(forms.ChoiceField, self.fields[name])
        field.choices = [*choices, *((value, value) for value in stored if value not in known)]

    def _offer_operations(self, stored: Rule, basic: QuerySet[RatePlan]) -> None:
        offered = [(name, OPERATION_KINDS[name].label) for name in OPERATIONS]
        self._offer("operation_kind", [("", _("None")), *offered])
        plans = basic.filter(fetched_at__isnull=False).order_by("name", "code").values_list("code", "name")
        offered = [(code, f"{name} · {code}" if name else code) for code, name in plans]
        self._offer("plan", [("", _("Choose a plan")), *offered], filter(None, [stored.operation_params.get("plan")]))

    def _rows(self, name: str) -> RowsField:
        return cast(RowsField, self.fields[name])

    def clean_name(self) -> str:
        """Free to take."""
        name: str = self.cleaned_data["name"]
        others = Rule.objects.filter(name=name)
        if self.rule is not None:
            others = others.exclude(pk=self.rule.pk)
        if others.exists():
            raise ValidationError(_("There is a rule of this name already."))
        return name

    def clean_emails(self) -> list[str]:
        """Addresses, each once."""
        return clean_addresses(self.cleaned_data["emails"].replace(",", "\n").replace(";", "\n").splitlines())

    def clean_quiet_zone(self) -> str:
        """A zone's name as the system writes it."""
        typed = self.cleaned_data["quiet_zone"].strip().replace(" ", "_")
        known = {name.casefold(): name for name in zoneinfo.available_timezones()}
        if typed and typed.casefold() not in known:
            raise ValidationError(_("There is no time zone of this name."))
        return known.get(typed.casefold(), "")

    def clean(self) -> dict[str, Any]:
        """What fits together."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        self._check_threshold(cleaned)
        self._check_quiet(cleaned)
        cleaned["operation_params"] = self._params(cleaned)
        self._check_operation(cleaned)
        return cleaned

    def rule_values(self) -> dict[str, Any]:
        """For ``rules.save_rule`` and for the words; of a form with errors, what can be used of it."""
        values = {name: value for name, value in self.cleaned_data.items() if name not in PARAMS}
        values.setdefault("operation_params", {})
        return values

    def _check_threshold(self, cleaned: dict[str, Any]) -> None:
        chosen = [kinds.KINDS[code] for code in cleaned.get("kinds", ()) if code in kinds.KINDS]
        if cleaned.get("threshold") is None or not chosen:
            return
        if any(not kind.figure for kind in chosen):
            names = ", ".join(str(kind.label) for kind in chosen if not kind.figure)
            self.add_error("threshold", _("There is no figure in: %(names)s.") % {"names": names})
        elif len({str(kind.unit) for kind in chosen}) > 1:
            self.add_error("threshold", _("The kinds ticked count different things; make a rule for each."))

    def _check_quiet(self, cleaned: dict[str, Any]) -> None:
        starts, ends = cleaned.get("quiet_from"), cleaned.get("quiet_until")
        if "quiet_from" not in cleaned or "quiet_until" not in cleaned:
            return
        if (starts is None) != (ends is None):
            self.add_error("quiet_until" if ends is None else "quiet_from", _("Quiet hours need a start and an end."))
        elif starts is not None and starts == ends:
            self.add_error("quiet_until", _("Quiet hours end at another time than they start."))

    def _params(self, cleaned: dict[str, Any]) -> dict[str, str]:
        """Only those of the operation chosen."""
        kind = cleaned.get("operation_kind")
        if kind == "change_plan":
            if not cleaned.get("plan") and "plan" not in self.errors:
                self.add_error("plan", _("Please choose a plan."))
            return {"plan": cleaned.get("plan") or "", "effective": cleaned.get("effective") or "NOW"}
        if kind == "set_apn":
            if not cleaned.get("apn") and "apn" not in self.errors:
                self.add_error("apn", _("Please name the APN."))
            if not cleaned.get("apn_status"):
                self.add_error("apn_status", _("Please choose on or off."))
            return {"apn": cleaned.get("apn") or "", "apn_status": cleaned.get("apn_status") or ""}
        return {}

    def _check_operation(self, cleaned: dict[str, Any]) -> None:
        operation, codes = cleaned.get("operation_kind"), set(cleaned.get("kinds", ()))
        if not operation:
            cleaned["automatic"] = False
            return
        if codes and not any(kinds.KINDS[code].of_carrier for code in codes if code in kinds.KINDS):
            self.add_error("operation_kind", _("What the rule is about has no SIM that could be changed."))
        self._check_plan(cleaned)
        if cleaned.get("automatic") and answers_itself(operation, codes):
            sentence = _("Operations lead to these events themselves, so an answer to them waits for a person.")
            self.add_error("automatic", sentence)

    def _check_plan(self, cleaned: dict[str, Any]) -> None:
        """A plan that no SIM of the rule's accounts can have would be refused each time."""
        plan, accounts = cleaned.get("plan"), cleaned.get("accounts")
        if cleaned.get("operation_kind") != "change_plan" or not plan or not accounts:
            return
        having = RatePlan.objects.filter(code=plan, accounts__in=accounts).values_list("accounts", flat=True)
        lacking = sorted(set(accounts) - {str(name) for name in having})
        if lacking:
            self.add_error("plan", _("These accounts have no such plan: %(names)s.") % {"names": ", ".join(lacking)})


PARAMS = ("plan", "effective", "apn", "apn_status")
"""Fields that become ``operation_params``."""


def initial_of(values: dict[str, Any]) -> dict[str, Any]:
    """What the form shows of a rule's values."""
    params = values.get("operation_params") or {}
    least = values.get("threshold")
    return {
        **values,
        "threshold": int(least) if least is not None and float(least).is_integer() else least,
        **{name: params[name] for name in PARAMS if name in params},
        "emails": "\n".join(values.get("emails") or []),
        "once_per": str(values.get("once_per") or 0),
        "group_within": str(values.get("group_within", Rule().group_within)),
    }


def _pairs(names: Iterable[Any]) -> Choices:
    texts = [name[0] if isinstance(name, tuple) else name for name in names]
    return [(text, text) for text in texts]
