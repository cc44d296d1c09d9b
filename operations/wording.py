"""What the carrier answers, in plain words."""

from __future__ import annotations

from collections.abc import Callable

from django.utils.translation import gettext as _

from smarthub import errors

MAX_DETAIL = 300

_BY_CODE: dict[str, Callable[[], str]] = {
    "illegal_status": lambda: _("The carrier says that the SIM's state does not allow this."),
    "missing": lambda: _("The carrier does not know what was asked for."),
    "missing_field": lambda: _("The carrier says that something it needs is missing."),
    "invalid": lambda: _("The carrier does not accept a value that was sent."),
    "already_exists": lambda: _("The carrier says that it exists already."),
    "http_400": lambda: _("The carrier could not make sense of the call. An administrator should look at it."),
    "redirect_refused": lambda: _(
        "The carrier's address points to another host, where changes are not sent. An administrator should check it."
    ),
}

_NO_CLEAR_ANSWER: dict[str, Callable[[], str]] = {
    "timeout": lambda: _("The carrier did not answer in time."),
    "reset": lambda: _("The connection broke before the carrier answered."),
    "cut_body": lambda: _("The carrier's answer broke off."),
    "not_json": lambda: _("The answer was not one of the carrier's."),
    "wrong_type": lambda: _("The answer was not one of the carrier's."),
    "server_error": lambda: _("The carrier had an error of its own."),
    "carrier_away": lambda: _("The carrier does not answer at the moment."),
    "connect": lambda: _("The carrier could not be reached."),
    "rate_limited": lambda: _("The carrier asked to slow down."),
    "budget": lambda: _("No call to the carrier was free in time."),
    "budget_unavailable": lambda: _("The call budget could not be asked, so nothing was sent."),
    "worker_lost": lambda: _("The process that sent it stopped before it noted an answer."),
    "internal_error": lambda: _("The portal had an error of its own."),
}


def explain(error: errors.SmartHubError) -> str:
    """One or two sentences about ``error`` for the person who asked, with the carrier's own words where it gave any."""
    if isinstance(error, errors.AuthFailed):
        return _("The carrier refuses the portal's key. An administrator has to look at it.") + _own_words(error)
    if isinstance(error, errors.NotFound):
        return _("The carrier does not know this SIM.") + _own_words(error)
    if isinstance(error, errors.Rejected):
        known = next((code for code in error.codes if code in _BY_CODE), None)
        sentence = _BY_CODE[known]() if known else _("The carrier refused it (%(code)s).") % {"code": error.code}
        return sentence + _fields(error) + _own_words(error)
    return no_clear_answer(error.code)


def explain_item(code: str, words: str) -> str:
    """What the carrier says of one SIM of a batch job, by its ``errorCode`` and ``errorMessage`` (assumed names)."""
    known = _BY_CODE.get(code)
    if known:
        sentence = known()
    elif code:
        sentence = _("The carrier could not change this SIM (%(code)s).") % {"code": code[:80]}
    else:
        sentence = _("The carrier could not change this SIM and does not say why.")
    words = " ".join(words.split())[:MAX_DETAIL]
    return sentence + (" " + _("Its words: “%(detail)s”") % {"detail": words} if words else "")


def no_clear_answer(code: str) -> str:
    """A sentence for an answer that did not come or that nobody can read."""
    known = _NO_CLEAR_ANSWER.get(code)
    return known() if known else _("The carrier gave no clear answer (%(code)s).") % {"code": code}


def _fields(error: errors.SmartHubError) -> str:
    fields = ", ".join(dict.fromkeys(item.field for item in error.field_errors if item.field))
    return " " + _("Field: %(fields)s.") % {"fields": fields[:100]} if fields else ""


def _own_words(error: errors.SmartHubError) -> str:
    detail = " ".join(error.detail.split())[:MAX_DETAIL]
    return " " + _("Its words: “%(detail)s”") % {"detail": detail} if detail else ""
