"""What pages ask in one statement, which is kept: it must not hold what differs from one time or user to the next."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import time_machine
from django.test import RequestFactory

from core import facts, prepared
from staff.models import User


def _places() -> frozenset[str]:
    return frozenset(asked.place for asked in facts._questions.values())


def test_a_kept_statement_holds_no_time(agent: User, supervisor: User) -> None:
    for user in (agent, supervisor):
        kept = []
        for year in (2027, 2028):
            prepared._kept.clear()
            with time_machine.travel(datetime(year, 3, 4, 5, 6, 7, 8, tzinfo=UTC), tick=False):
                _names, statement = facts._statement_for(user, _places())
            assert statement is not None
            kept.append((statement._sql, statement._params))
        assert kept[0] == kept[1]


def test_answers_are_those_of_the_user_who_asks(
    make_user: Callable[..., User], make_sim: Callable[..., object]
) -> None:
    """With a statement kept for one, another and the same one with other rights get their own."""
    seer, limited = make_user("Supervisor"), make_user("Supervisor", accounts=["other"])

    def asked(user: User) -> object:
        request = RequestFactory().get("/")
        request.user = User.objects.get(pk=user.pk)
        return {name: facts.answer(request, name) for name in facts._names({facts.FRAME, "home"})}

    first = asked(seer), asked(limited)
    assert first == (asked(seer), asked(limited))
    seer.groups.clear()
    assert set(asked(seer).values()) <= {None, 0}  # type: ignore[attr-defined]  # a dictionary
