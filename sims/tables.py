"""The table of the SIM list."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import lru_cache
from html import escape
from operator import attrgetter
from typing import Any, ClassVar, NamedTuple

import django_tables2 as tables
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from core.bulk import record_class
from core.countries import country_name
from core.per_language import per_language
from core.rows import row_url
from core.spreadsheets import FileColumn
from core.tables import TIME_WIDTH, AgoColumn, BaseTable, tooltip
from core.templatetags.portal import bytes_tag, grouped, human_bytes, status_badge
from sims.models import Sim

_APN_WORDS = dict(Sim.ApnState.choices)
_CLIPPED = {"td": {"class": "clip"}}
_CLIPPED_TEXT = {"td": {"class": "clip", "title": tooltip}}
_CLIPPED_SHORT = {"td": {"class": "clip clip-short", "title": tooltip}}
_NUMBER = {"td": {"class": "num"}, "th": {"class": "num"}}


def usage_meter(used: int | None, quota: int | None, percent: int | None) -> SafeString:
    """How much of a quota is used, as a bar and in figures; a plain number where there is no quota. Bytes."""
    if used is None or not quota or percent is None:
        return bytes_tag(used)
    return SafeString(f"{_meter(percent, quota)}<span>{escape(human_bytes(used))}</span></div>")


@per_language
def _meter(percent: int, quota: int) -> SafeString:
    """The bar, in an element that the figure completes."""
    text = _now("%(percent)s%% of %(quota)s") % {"percent": percent, "quota": human_bytes(quota)}
    return format_html(
        '<div class="meter" title="{}"><meter min="0" max="100" low="80" high="99" optimum="0" value="{}" '
        'aria-label="{}">{}</meter>',
        text,
        min(percent, 100),
        _now("Quota used"),
        text,
    )


class SelectColumn(tables.Column):
    """Boxes to tick rows with; ``portal.js`` keeps what is ticked over pages."""

    @property
    def header(self) -> SafeString:
        """The box that ticks the whole page."""
        label = _now("Tick all rows of this page")
        return format_html('<label><input type="checkbox" data-select-all aria-label="{}"></label>', label)

    def render(self, value: str) -> SafeString:
        """The box of one row."""
        giccid, label = escape(value), escape(_now("Tick %(giccid)s") % {"giccid": value})
        return SafeString(f'<label><input type="checkbox" data-select-row="{giccid}" aria-label="{label}"></label>')


class IdentifierColumn(tables.Column):
    """An identifier in groups of four."""

    def render(self, value: str) -> SafeString:
        """In groups, in one piece for copying."""
        return grouped(value)


def _named_files(field: str, name: Any, code: Any) -> tuple[FileColumn, ...]:
    """The name of what ``field`` leads to, as on screen, and its code."""

    def words(sim: Sim) -> str | None:
        reference = getattr(sim, field)
        return (reference.name or reference.code) if reference is not None else None

    return FileColumn(name, words), FileColumn(code, attrgetter(f"{field}_id"), is_text=True)


_FIELDS = {
    "plan": ("plan_id",),
    "usage": ("data_usage", "data_quota"),
    "seen": ("last_session_at",),
    "account": ("account_id",),
    "country": ("country_code",),
    "pool": ("pool_id",),
    "quota": ("quota_percent",),
    "apn": ("apn_state",),
    "since": ("status_changed_at",),
    "select": (),
    "tags": (),
}


def file_fields(shown: Collection[str]) -> list[str]:
    """The columns of a SIM that a file with the table's columns ``shown`` is made of."""
    return ["id", *(field for name in shown for field in _FIELDS.get(name, (name,)))]


_JOINED = {"plan": "plan__name", "pool": "pool__name"}


def page_fields(shown: Collection[str]) -> list[str]:
    """The columns of a SIM that a page with the table's columns ``shown`` is made of."""
    always = ("id", "giccid", "missing_since", "changed_at")
    joined = [_JOINED[name] for name in shown if name in _JOINED]
    more = ["quota_percent"] if "usage" in shown else []
    return list(dict.fromkeys([*always, *file_fields(shown), *more, *joined]))


@lru_cache(maxsize=256)
def page_row(columns: tuple[str, ...]) -> type[Any]:
    """Rows of these columns, which the table reads as it does a SIM."""

    def named(field: str) -> Callable[[Any], Reference | None]:
        code, name = attrgetter(f"{field}_id"), attrgetter(f"{field}__name")
        return lambda row: Reference(code(row), name(row)) if code(row) is not None else None

    more = {field: named(field) for field, joined in _JOINED.items() if joined in columns}
    return record_class(columns, pk=attrgetter("id"), **more)


class Reference(NamedTuple):
    """A plan or a pool."""

    code: str
    name: str


class SimTable(BaseTable):
    """SIMs. The columns' names are those of ``?sort=``."""

    fixed = ("select", "giccid")
    default_columns = ("status", "msisdn", "plan", "usage", "online", "seen", "account")

    select = SelectColumn(
        accessor="giccid",
        exclude_from_export=True,
        orderable=False,
        attrs={"td": {"class": "col-select"}, "th": {"class": "col-select"}},
    )
    giccid = tables.Column(attrs={"td": {"class": "col-key"}, "th": {"class": "col-key"}}, verbose_name=_("giccid"))
    status = tables.Column(verbose_name=_("Status"))
    msisdn = IdentifierColumn(verbose_name=_("MSISDN"))
    plan = tables.Column(accessor="plan", verbose_name=_("Rate plan"), attrs=_CLIPPED)
    usage = tables.Column(accessor="data_usage", verbose_name=_("Data used"), empty_values=())
    online = tables.Column(verbose_name=_("Online"))
    seen = AgoColumn(accessor="last_session_at", verbose_name=_("Last seen"))
    account = tables.Column(accessor="account_id", verbose_name=_("Account"), attrs=_CLIPPED_SHORT)
    country = tables.Column(accessor="country_code", verbose_name=_("Country"))
    imsi = IdentifierColumn(verbose_name=_("IMSI"))
    imei = IdentifierColumn(verbose_name=_("IMEI"))
    pool = tables.Column(accessor="pool", verbose_name=_("Share pool"), attrs=_CLIPPED)
    quota = tables.Column(accessor="quota_percent", verbose_name=_("Quota used"), attrs=_NUMBER)
    apn = tables.Column(accessor="apn_state", verbose_name=_("APN"), empty_values=())
    since = AgoColumn(accessor="status_changed_at", verbose_name=_("In state since"))
    custom1 = tables.Column(verbose_name=_("Custom field 1"), attrs=_CLIPPED_TEXT)
    custom2 = tables.Column(verbose_name=_("Custom field 2"), attrs=_CLIPPED_TEXT)
    custom3 = tables.Column(verbose_name=_("Custom field 3"), attrs=_CLIPPED_TEXT)
    custom4 = tables.Column(verbose_name=_("Custom field 4"), attrs=_CLIPPED_TEXT)
    custom5 = tables.Column(verbose_name=_("Custom field 5"), attrs=_CLIPPED_TEXT)

    tags = tables.Column(accessor="tag_names", verbose_name=_("Tags"), orderable=False, attrs={"td": {"class": "wide"}})

    files: ClassVar = {
        "giccid": (FileColumn(_("giccid"), attrgetter("giccid"), is_text=True, width=24),),
        "status": (FileColumn(_("Status"), attrgetter("status")),),
        "msisdn": (FileColumn(_("MSISDN"), attrgetter("msisdn"), is_text=True, width=16),),
        "plan": _named_files("plan", _("Rate plan"), _("Rate plan code")),
        "usage": (
            FileColumn(_("Data used (bytes)"), attrgetter("data_usage")),
            FileColumn(_("Data quota (bytes)"), attrgetter("data_quota")),
        ),
        "online": (FileColumn(_("Online"), attrgetter("online")),),
        "seen": (FileColumn(_("Last seen"), attrgetter("last_session_at"), width=TIME_WIDTH),),
        "account": (FileColumn(_("Account"), attrgetter("account_id")),),
        "imsi": (FileColumn(_("IMSI"), attrgetter("imsi"), is_text=True, width=18),),
        "imei": (FileColumn(_("IMEI"), attrgetter("imei"), is_text=True, width=18),),
        "pool": _named_files("pool", _("Share pool"), _("Share pool code")),
        "quota": (FileColumn(_("Quota used (%)"), attrgetter("quota_percent")),),
    }

    class Meta:
        row_attrs: ClassVar = {
            "id": lambda record: f"row-{record.pk}",
            "data-giccid": lambda record: record.giccid,
        }

    def render_giccid(self, record: Sim) -> SafeString:
        """The way to the SIM's page; a word where the carrier no longer lists it."""
        gone = format_html(' <span class="tag">{}</span>', _now("missing")) if record.missing_since else ""
        url = escape(row_url("sims:detail", record.giccid))
        return SafeString(f'<a href="{url}" data-row-link>{grouped(record.giccid)}</a>{gone}')

    def render_status(self, value: str) -> SafeString:
        """Dot and word."""
        return status_badge(value)

    def render_plan(self, record: Sim) -> SafeString:
        """The plan's name, its code as tooltip."""
        return _named(record.plan, record.plan_id)

    def render_pool(self, record: Sim) -> SafeString:
        """The pool's name, its code as tooltip."""
        return _named(record.pool, record.pool_id)

    def render_usage(self, record: Sim) -> SafeString:
        """Against the quota where there is one."""
        return usage_meter(record.data_usage, record.data_quota, percent=record.quota_percent)

    def render_quota(self, value: int) -> str:
        """In percent."""
        return f"{value} %"

    def render_country(self, value: str) -> SafeString:
        """The code, the name as tooltip."""
        return format_html('<span title="{}">{}</span>', country_name(value), value)

    def render_online(self, value: bool) -> SafeString:
        """Dot and word."""
        return _online(value)

    def render_tags(self, value: list[str]) -> SafeString:
        """A small box for each."""
        return format_html_join(" ", '<span class="tag">{}</span>', ((name,) for name in value))

    def render_apn(self, record: Sim) -> Any:
        """All APNs in one word."""
        return _APN_WORDS.get(record.apn_state, record.apn_state)


@per_language
def _online(value: bool) -> SafeString:
    css, word = ("online is-online", _now("Online")) if value else ("online", _now("Offline"))
    return format_html('<span class="{}">{}</span>', css, word)


def _named(reference: Any, code: str | None) -> SafeString:
    name = escape(reference.name or "")
    shown = escape(str(code))
    return SafeString(f'<span title="{name} ({shown})">{name}</span>' if name else shown)
