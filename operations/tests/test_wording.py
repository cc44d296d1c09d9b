"""The carrier's answers in plain words."""

from __future__ import annotations

import pytest

from operations.wording import explain
from smarthub import errors
from smarthub.errors import FieldError


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (errors.Rejected("illegal_status", status=422), "state does not allow"),
        (errors.Rejected("missing", status=422), "does not know what was asked for"),
        (errors.Rejected("missing_field", status=422), "needs is missing"),
        (errors.Rejected("already_exists", status=422), "exists already"),
        (errors.Rejected("redirect_refused", status=301), "points to another host"),
        (errors.Rejected("invalid", field_errors=[FieldError("customFieldVO", "custom1", "invalid")]), "custom1"),
        (errors.Rejected("blocked", detail="See   our\nterms"), "refused it (blocked). Its words: “See our terms”"),
        (errors.Rejected("http_422", codes=["http_422", "illegal_status"]), "state does not allow"),
        (errors.NotFound("missing", status=404), "does not know this SIM"),
        (errors.AuthFailed("http_403", status=403), "refuses the portal's key"),
        (errors.RateLimited("rate_limited", retry_after=3), "slow down"),
        (errors.BudgetDenied("budget"), "No call to the carrier was free"),
        (errors.Transient("connect"), "could not be reached"),
        (errors.OutcomeUnknown("timeout"), "did not answer in time"),
        (errors.OutcomeUnknown("from_the_moon"), "no clear answer (from_the_moon)"),
    ],
)  # fmt: skip
def test_plain_words(error, words):
    assert words in explain(error)


def test_the_carriers_words_are_kept_short():
    assert len(explain(errors.Rejected("invalid", detail="x" * 5000))) < 500
