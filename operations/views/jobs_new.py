"""Making a batch job: which SIMs, what change. The post stores a plan; nothing is sent."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from core.filters import FilterSet
from core.htmx import wants_fragment
from core.paging import capped_count
from operations.errors import Invalid, NotAllowed
from operations.kinds import KINDS, Kind
from operations.models import BatchJob
from operations.services.jobs import rules
from operations.services.jobs.forms import PARAMS_FORMS, JobForm
from operations.services.jobs.plan import make_job
from operations.views.jobs_actions import see_job
from sims.filters import SimFilterSet
from sims.models.sim import CUSTOM_FIELDS
from sims.selectors.sims import list_sims

TEMPLATE = "operations/job_new.html"
DEFAULT_KIND = "suspend"
SHOWN_TICKED = 8
_PARAM_NAMES = {"plan": ("change_plan", "add_plan"), "apn": ("set_apn",)}
"""Filters of the SIM list that are called like a parameter of these kinds."""


@dataclass
class Selection:
    """Which SIMs: exactly one way of choosing has something in it, or none."""

    query: QueryDict | None
    giccids: list[str]
    identifiers: str
    file: UploadedFile[Any] | None

    @property
    def source(self) -> str:
        """One of ``BatchJob.Source``; empty when nothing was chosen."""
        if self.query is not None:
            return BatchJob.Source.FILTER.value
        if self.giccids:
            return BatchJob.Source.TICKED.value
        if self.file is not None:
            return BatchJob.Source.FILE.value
        return BatchJob.Source.TEXT.value if self.identifiers.strip() else ""

    @property
    def ways(self) -> int:
        """How many ways of choosing have something in them."""
        return sum((self.query is not None, bool(self.giccids), self.file is not None, bool(self.identifiers.strip())))


def read_selection(request: HttpRequest, kind: str) -> Selection:
    """What the request chooses.

    The list's query stands in the address, or in the body as one field ``query`` or field by field. In the body,
    the parameters of the kind win over filters of the same name; in the address, all are filters.
    """
    posted = request.POST
    giccids = [g for text in posted.getlist("giccids") for g in text.replace(",", " ").split()]
    giccids += [g for g in posted.getlist("giccid") if g]
    return Selection(
        query=_query(request.GET, posted, kind),
        giccids=list(dict.fromkeys(giccids)),
        identifiers=posted.get("identifiers", "") or request.GET.get("identifiers", ""),
        file=request.FILES.get("file"),
    )


def _query(address: QueryDict, posted: QueryDict, kind: str) -> QueryDict | None:
    if address.get("select") == "all":
        return _filters_of(address)
    if posted.get("select") != "all":
        return None
    if "query" in posted:
        return _filters_of(QueryDict(str(posted["query"])))
    return _filters_of(posted, {name for name, kinds in _PARAM_NAMES.items() if kind in kinds})


def _filters_of(data: QueryDict, without: set[str] | None = None) -> QueryDict:
    """Only what the SIM list filters by."""
    found = QueryDict(mutable=True)
    for name in SimFilterSet.base_filters:
        values = [value for value in data.getlist(name) if value]
        if values and name not in (without or ()):
            found.setlist(name, values)
    return found


@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """GET the form; POST stores a plan: 303 to its page, 422 with what is wrong, 403 for a role that may not.

    A post with ``prepare`` only fills the form in, with what it brings: ticked rows, or what was typed before another
    kind was chosen. For htmx, both answer the fields of the kind alone.
    """
    if not request.user.has_perm("operations.run_batch_job"):
        raise PermissionDenied
    is_post = request.method == "POST" and "prepare" not in request.POST
    asked = request.POST.get("kind") or request.GET.get("kind") or ""
    kind = KINDS.get(asked)
    if is_post and kind is None:
        problem = _("The portal knows no such action.") if asked else _("Choose what to change.")
        return _page(request, KINDS[DEFAULT_KIND], read_selection(request, ""), None, [problem], status=422)
    kind = kind or KINDS[DEFAULT_KIND]
    selection = read_selection(request, kind.name)
    if is_post:
        return _make(request, kind, selection)
    form = _form(request, kind)
    if wants_fragment(request):
        return render(request, f"{TEMPLATE}#params", _context(request, kind, selection, form))
    return _page(request, kind, selection, form, [])


def _make(request: HttpRequest, kind: Kind, selection: Selection) -> HttpResponse:
    user: Any = request.user
    form = _form(request, kind, request.POST)
    problems = _problems(selection)
    if not form.is_valid() or problems:
        return _page(request, kind, selection, form, problems, status=422)
    source = selection.source
    try:
        job = make_job(
            actor=user,
            kind=kind.name,
            params=_params(form),
            source=source,
            identifiers=selection.identifiers if source == BatchJob.Source.TEXT else None,
            file=selection.file if source == BatchJob.Source.FILE else None,
            giccids=selection.giccids if source == BatchJob.Source.TICKED else None,
            query=selection.query if source == BatchJob.Source.FILTER else None,
            nonce=request.POST.get("nonce") or None,
        )
    except NotAllowed as error:
        raise PermissionDenied(str(error)) from error
    except Invalid as error:
        problems = _take_errors(form, error, source)
        return _page(request, kind, selection, form, problems, status=422)
    return see_job(job)


def _form(request: HttpRequest, kind: Kind, data: QueryDict | None = None) -> JobForm:
    """Bound to ``data``; without it showing what the request's body brings."""
    user: Any = request.user
    return PARAMS_FORMS[kind.name](data, initial=_typed(request), user=user, auto_id="job_%s")


def _typed(request: HttpRequest) -> dict[str, Any]:
    """What the body says of the parameters of any kind: that of one is kept while another one is looked at.

    Only the body's: a message is nobody's business, and addresses stand in logs.
    """
    names = {*CUSTOM_FIELDS, *(name for form in PARAMS_FORMS.values() for name in form.base_fields)}
    names -= set(JobForm.base_fields)
    posted = request.POST
    return {name: posted.getlist(name) if name == "clear" else posted[name] for name in sorted(names) if name in posted}


def _params(form: JobForm) -> dict[str, Any]:
    """The kind's own fields as they were given."""
    return {field.name: field.data for field in form if field.name not in ("identifiers", "file")}


def _problems(selection: Selection) -> list[str]:
    if not selection.source:
        return [_("Choose the SIMs: paste identifiers, or give a file.")]
    if selection.ways > 1:
        return [_("Choose the SIMs in one way only: leave the text or the file empty.")]
    return []


def _take_errors(form: JobForm, error: Invalid, source: str) -> list[str]:
    """Errors to the fields that the page shows; the others as sentences."""
    typed = source in (BatchJob.Source.TEXT, BatchJob.Source.FILE)
    others = []
    for field, texts in error.errors.items():
        if field in form.fields and (typed or field not in ("identifiers", "file")):
            form.add_error(field, texts)
        else:
            others += texts
    return others


def _page(
    request: HttpRequest,
    kind: Kind,
    selection: Selection,
    form: JobForm | None,
    problems: list[str],
    *,
    status: int = 200,
) -> HttpResponse:
    form = form or _form(request, kind)
    context = {**_context(request, kind, selection, form), "problems": problems}
    return render(request, TEMPLATE, context, status=status)


def _context(request: HttpRequest, kind: Kind, selection: Selection, form: JobForm) -> dict[str, Any]:
    user: Any = request.user
    context: dict[str, Any] = {
        "kind": kind,
        "kinds": [(each, rules.why_not_make(each.name, user)) for each in KINDS.values()],
        "form": form,
        "kept": [
            (name, text)
            for name, said in _typed(request).items()
            for text in (said if isinstance(said, list) else [said])
            if name not in form.fields and text
        ],
        "apn_names": _apn_names(request) if "apn" in form.fields else [],
        "selection": selection,
        "nonce": _nonce(request),
        "ticked_shown": selection.giccids[:SHOWN_TICKED],
        "ticked_more": max(0, len(selection.giccids) - SHOWN_TICKED),
        "ticked_text": "\n".join(selection.giccids),
    }
    if selection.query is not None:
        filters: FilterSet = SimFilterSet(data=selection.query, queryset=list_sims(user), request=request)
        context["matching"] = capped_count(filters.qs)
        context["chips"] = filters.chips(selection.query, "")
        context["search"] = selection.query.get("q", "")
        context["query_text"] = selection.query.urlencode()
    return context


def _nonce(request: HttpRequest) -> str:
    """A form that was refused made nothing, so its number may be used again."""
    given = request.POST.get("nonce", "")
    return given if 8 <= len(given) <= 36 else str(uuid.uuid4())


def _apn_names(request: HttpRequest) -> list[str]:
    """Names that some SIMs have, to choose from."""
    some = list_sims(request.user).exclude(apn_state="").order_by("giccid").values_list("apns", flat=True)[:200]
    names = {item["apn"] for apns in some for item in apns or () if isinstance(item, dict) and item.get("apn")}
    return sorted(str(name) for name in names)[:50]
