"""Downloads made in the background: for their owner alone, one writer at a time, gone after a while."""

from __future__ import annotations

import csv
import io
import os
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from openpyxl import load_workbook

from core import exports, tasks
from core.models import AuditEntry, Export
from core.paging import Order, pages
from core.spreadsheets import Column, Table

User = get_user_model()
pytestmark = pytest.mark.django_db

ROWS = [[str(n), f"89860119070000{n:05d}", "=1+1"] for n in range(2500)]


class Source:
    """An exporter whose rows, accounts and openness a test sets."""

    def __init__(self) -> None:
        self.rows, self.seen, self.open = ROWS, None, True
        self.during: Any = None

    def table(self, user: Any, params: dict[str, Any]) -> Table:
        if not self.open:
            raise exports.NotAvailable("Not for you.")
        columns = (Column("n"), Column("giccid", is_text=True, width=24), Column("note"))
        return Table("Numbers: all", "numbers", columns, self.read, lambda: len(self.rows))

    def read(self) -> Any:
        for number, row in enumerate(self.rows):
            if self.during is not None and number == 1500:
                self.during()
            yield row


@pytest.fixture
def source(monkeypatch, tmp_path):
    monkeypatch.setitem(settings.CONFIG, "DATA_DIR", tmp_path)
    source = Source()
    monkeypatch.setitem(exports._exporters, "numbers", exports.Exporter("numbers", source.table, lambda _: source.seen))
    return source


def ask(user: Any, format_: str = "xlsx", **params: Any) -> Export:
    return exports.request_export(user, "numbers", params, format_=format_)


def made(user: Any, format_: str = "xlsx") -> Export:
    export = ask(user, format_)
    tasks.make_export(export.pk)
    export.refresh_from_db()
    return export


def body(response: Any) -> bytes:
    return b"".join(response.streaming_content)


def test_from_the_wish_to_the_file(source, agent, login):
    export = ask(agent)
    client = login(agent)
    page = client.get("/exports/").content.decode()
    assert f'data-export="{export.pk}" data-export-state="waiting"' in page
    assert 'hx-trigger="every 2s"' in page
    assert client.get(f"/exports/{export.pk}/file/").status_code == 404
    tasks.make_export(export.pk)
    page = client.get("/exports/", headers={"HX-Request": "true"}).content.decode()
    assert 'data-export-state="done"' in page
    assert "every 2s" not in page
    response = client.get(f"/exports/{export.pk}/file/")
    assert response.headers["Content-Disposition"] == 'attachment; filename="numbers.xlsx"'
    sheet = load_workbook(io.BytesIO(body(response))).active
    rows = list(sheet.iter_rows())
    assert len(rows) == 2501
    assert [cell.value for cell in rows[0]] == ["n", "giccid", "note"]
    assert [cell.value for cell in rows[-1]] == ["2499", ROWS[-1][1], "'=1+1"]
    assert (rows[1][1].data_type, rows[1][1].number_format) == ("s", "@")
    export.refresh_from_db()
    assert (export.rows_done, export.attempts, export.next_attempt_at) == (2500, 1, None)
    assert AuditEntry.objects.get(action="export.requested").actor == agent
    made = AuditEntry.objects.get(action="export.made")
    assert (made.actor, made.after["rows"], made.after["format"]) == (agent, 2500, "xlsx")
    fetched = AuditEntry.objects.get(action="export.fetched")
    assert (fetched.actor, fetched.object_id) == (agent, str(export.pk))


def test_a_csv(source, agent, login):
    export = made(agent, "csv")
    response = login(agent).get(f"/exports/{export.pk}/file/")
    rows = list(csv.reader(io.StringIO(body(response).decode())))
    assert (len(rows), rows[1]) == (2501, ["0", ROWS[0][1], "'=1+1"])


def test_only_its_owner_has_it(source, agent, administrator, login, client):
    export = made(agent)
    other = login(administrator)
    assert other.get(f"/exports/{export.pk}/file/").status_code == 404
    assert other.post(f"/exports/{export.pk}/remove/").status_code == 404
    assert f'data-export="{export.pk}"' not in other.get("/exports/").content.decode()
    assert client.get(f"/exports/{export.pk}/file/").status_code == 302, "to the sign-in"
    assert login(agent).get(f"/exports/{export.pk}/remove/").status_code == 405
    assert login(agent).post(f"/exports/{export.pk}/remove/").status_code == 302
    assert AuditEntry.objects.get(action="export.removed").object_id == str(export.pk)
    assert not list(exports.directory().iterdir())
    assert login(agent).get(f"/exports/{10**30}/file/").status_code == 404


@pytest.mark.parametrize(
    ("before", "after", "may"),
    [
        (None, None, True),
        ({"a"}, None, True),
        ({"a"}, {"a", "b"}, True),
        ({"a", "b"}, {"a"}, False),
        (None, {"a"}, False),
    ],
)
def test_the_accounts_are_looked_at_again(before, after, may, source, agent, login):
    source.seen = before and frozenset(before)
    export = made(agent)
    source.seen = after and frozenset(after)
    assert login(agent).get(f"/exports/{export.pk}/file/").status_code == (200 if may else 404)


def test_what_is_not_open_any_more(source, agent, login):
    export, waiting = made(agent), ask(agent, "csv")
    source.open = False
    assert login(agent).get(f"/exports/{export.pk}/file/").status_code == 404
    tasks.make_export(waiting.pk)
    waiting.refresh_from_db()
    assert (waiting.state, waiting.message) == ("failed", "Not for you.")
    with pytest.raises(exports.NotAvailable):
        ask(agent)


def test_the_same_wish_twice_and_too_many(source, agent, supervisor):
    assert ask(agent, n=1) == ask(agent, n=1)
    assert ask(agent, n=2) != ask(agent, n=3)
    with pytest.raises(exports.TooManyOpen):
        ask(agent, n=4)
    assert ask(supervisor, n=4)


def test_no_more_are_kept_than_so_many(source, agent, monkeypatch):
    monkeypatch.setattr(exports, "MOST_KEPT", 2)
    first, _second = made(agent, "csv"), made(agent)
    with pytest.raises(exports.TooManyOpen, match="remove one"):
        ask(agent)
    exports.remove(first)
    assert ask(agent)


def test_it_shows_how_far_it_is_and_ends_when_it_is_removed(source, agent):
    export = ask(agent)
    seen = []

    def look() -> None:
        row = Export.objects.get(pk=export.pk)
        seen.append((row.state, row.rows_done, row.percent))
        exports.remove(row)

    source.during = look
    tasks.make_export(export.pk)
    assert seen == [("running", 1000, 40)]
    assert not Export.objects.exists()
    assert not list(exports.directory().iterdir()), "nothing of it is left"


def test_a_worker_that_dies_or_fails(source, agent):
    class Killed(BaseException):
        pass

    def die() -> None:
        raise Killed

    def fail() -> None:
        raise ZeroDivisionError

    export = ask(agent)
    source.during = die
    with pytest.raises(Killed):
        tasks.make_export(export.pk)
    tasks.make_export(export.pk)
    export.refresh_from_db()
    assert (export.state, export.attempts) == ("running", 1), "the claim holds until its lease is over"
    source.during = fail
    for attempts in (2, 3):
        Export.objects.update(next_attempt_at=timezone.now())
        tasks.make_export(export.pk)
        export.refresh_from_db()
        assert (export.state, export.attempts) == ("waiting", attempts)
    Export.objects.update(next_attempt_at=timezone.now())
    tasks.make_export(export.pk)
    export.refresh_from_db()
    assert (export.state, export.next_attempt_at) == ("failed", None)
    assert "could not be made" in export.message


def test_a_slow_writer_that_lost_its_claim_leaves_the_other_one_alone(source, agent, login):
    export = ask(agent)

    def overtaken() -> None:
        source.during = None
        Export.objects.update(next_attempt_at=timezone.now())
        tasks.make_export(export.pk)

    source.during = overtaken
    tasks.make_export(export.pk)
    export.refresh_from_db()
    assert (export.state, export.attempts) == ("done", 2)
    assert [path.name for path in exports.directory().iterdir()] == [export.stored_as]


def test_rows_are_read_in_pages_so_that_progress_can_be_written(make_user):
    """SQLite refuses a write beside an open query as soon as anybody else has written."""
    names = sorted(make_user("Agent").username for _ in range(7))
    users = User.objects.filter(username__in=names)
    with CaptureQueriesContext(connection) as queries:
        found = pages(users, Order("name", ("username",)), size=3)
        assert [user.username for user in next(found)] == names[:3]
        assert len(queries) == 1
        assert [user.username for page in found for user in page] == names[3:]
    assert len(queries) == 3


def test_it_is_gone_after_its_time(source, agent, login):
    export, kept = made(agent), made(agent, "csv")
    orphan = exports.directory() / "9-abc.part"
    orphan.write_bytes(b"x")
    old = (timezone.now() - timedelta(days=2)).timestamp()
    os.utime(orphan, (old, old))
    Export.objects.filter(pk=export.pk).update(expires_at=timezone.now())
    assert login(agent).get(f"/exports/{export.pk}/file/").status_code == 404
    tasks.dispatch_exports()
    assert list(Export.objects.values_list("pk", flat=True)) == [kept.pk]
    assert [path.name for path in exports.directory().iterdir()] == [kept.stored_as]
