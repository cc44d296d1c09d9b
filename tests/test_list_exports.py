"""Any list as CSV and XLSX: the columns and rows that its page shows to the same person, and nothing else."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.http.response import HttpResponseBase
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import URLResolver, get_resolver
from django.utils import timezone
from openpyxl import load_workbook

from core import exports, spreadsheets
from core.list_exports import table as table_in_background
from core.listing import ListView
from core.models import AuditEntry, Export
from core.spreadsheets import cell
from core.tasks import make_export
from notifications.models import Delivery, Event, Notification, NotificationItem, Push, PushSource, Rule
from operations.models import Operation
from operations.tests.job_rows import begin, planned_job
from sims.models import RatePlan, Sim, SimTag, SyncRun, Tag, TimelineEvent
from sims.services.timeline import record_plain
from sims.tables import SimTable
from sms.models import Message
from sms.services.conversations import note_message

pytestmark = pytest.mark.django_db

MINE, OTHER = "example_account", "other_account"


def addresses(resolver: URLResolver | None = None, prefix: str = "/") -> Iterator[str]:
    """Every list of the portal whose address says no more than that; a new one is tried without being named here."""
    for entry in (resolver or get_resolver()).url_patterns:
        address = f"{prefix}{entry.pattern}"
        if isinstance(entry, URLResolver):
            yield from addresses(entry, address)
        elif issubclass(getattr(entry.callback, "view_class", object), ListView) and "<" not in address:
            yield address


LISTS = sorted(addresses())


def content(response: Any) -> bytes:
    assert response.status_code == 200
    return b"".join(response.streaming_content)


def rows_of(response: HttpResponseBase) -> list[list[str]]:
    text = content(response).decode()
    assert text.endswith("\r\n")
    return list(csv.reader(io.StringIO(text)))


@pytest.fixture
def world(make_sim, make_user) -> dict[str, Sim]:
    """One of everything that lists show, in two accounts."""
    sims, actor, now = {}, make_user("Agent"), timezone.now()
    source = PushSource.objects.create(name="carrier", token_digest="0" * 64)
    for account in (MINE, OTHER):
        sim = sims[account] = make_sim(
            account=account, plan=f"P-{account}", pool=f"S-{account}", imei="353270090000001", country_code="DE",
            data_usage=5 * 2**30, data_quota=2**31, quota_percent=250, online=True, last_session_at=now,
            status_changed_at=datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC), custom1=f"=1+1 {account}",
        )  # fmt: skip
        begin(planned_job(actor, [sim]), ["failed"], state="done_with_failures")
        message = Message.objects.create(sim=sim, direction="mo", text=f"-5 degrees {account}", at=now)
        note_message(message)
        record_plain(sim=sim, kind="status", at=now, from_value="INVENTORY", to_value="ACTIVATED")
        Push.objects.create(source=source, kind="TEST_EVENT", giccid=sim.giccid, account_name=account, body="{}")
        rule = Rule.objects.create(name=f"@rule of {account}", kinds=["IMEI_CHANGE"], accounts=[account])
        event = Event.objects.create(kind="IMEI_CHANGE", key=account, at=now, sim=sim, account_name=account)
        line = Notification.objects.create(
            rule=rule, kind="IMEI_CHANGE", severity="warning", account_name=account, first_at=now, last_at=now,
            events=1, sims=1, joins=False,
        )  # fmt: skip
        NotificationItem.objects.create(notification=line, rule=rule, event=event, sim=sim, at=now)
        Delivery.objects.create(
            channel="email",
            email="to@example.com",
            rule=rule,
            event=event,
            kind=event.kind,
            account_name=account,
            key=account,
        )
    return sims


@pytest.mark.parametrize("address", LISTS)
def test_the_file_has_what_the_page_shows_to_that_person(address, world, make_user, login, client):
    assert client.get(f"{address}?export=csv").headers["Location"].startswith("/login/")
    people = make_user("Viewer"), make_user("Agent", [MINE]), make_user("Administrator", time_zone="Asia/Tokyo")
    for person in people:
        browser = login(person)
        page, file = browser.get(address), browser.get(f"{address}?export=csv")
        assert page.status_code == file.status_code, person.role
        if page.status_code != 200:
            continue
        listing = page.context["listing"]
        rows = rows_of(file)
        assert rows[0] == [str(column.name) for column in as_file(listing.table)]
        assert rows[1:] == shown(listing)
        for account in {OTHER} if not person.all_accounts else ():
            assert account not in str(rows)
            assert world[account].giccid not in str(rows)
    assert len(rows) > 1, "the administrator sees a row"
    assert not any(value.startswith(("=", "+", "-", "@", "\t", "\r")) for row in rows for value in row)


def as_file(table: Any) -> list[Any]:
    """The columns of the file; each that is plain is called what it is on screen."""
    columns = []
    for column in table.columns:
        of_file = type(table).file_columns([column.name])
        plain = column.name not in table.files and not column.column.exclude_from_export
        assert not plain or [str(each.name) for each in of_file] == [str(column.header)]
        columns += of_file
    return columns


def shown(listing: Any) -> list[list[str]]:
    zone = timezone.get_current_timezone()
    columns = as_file(listing.table)
    cells = [[cell(column.value(row), zone) for column in columns] for row in listing.page.rows]
    return [
        ["" if v is None else spreadsheets.guarded(v) if isinstance(v, str) else str(v) for v in row] for row in cells
    ]


def test_every_column_of_a_sim_as_machines_read_it(world, make_user, login):
    names = [name for name, _header in SimTable.optional_columns()]
    person = make_user("Viewer", preferences={"columns": {"sims": names}}, time_zone="Asia/Tokyo")
    RatePlan.objects.filter(code=f"P-{MINE}").update(name="-One gigabyte")
    SimTag.objects.bulk_create(
        SimTag(sim=world[MINE], tag=Tag.objects.create(name=name, key=name)) for name in ("a", "b")
    )
    heads, row = rows_of(login(person).get(f"/sims/?account={MINE}&export=csv"))
    found = dict(zip(heads, row, strict=True))
    moment = world[MINE].last_session_at.astimezone(UTC) + timedelta(hours=9)
    assert found == found | {
        "giccid": world[MINE].giccid, "Status": "ACTIVATED", "Rate plan": "'-One gigabyte",
        "Rate plan code": f"P-{MINE}",
        "Data used (bytes)": "5368709120", "Data quota (bytes)": "2147483648", "Quota used (%)": "250", "Online": "yes",
        "Last seen": f"{moment:%Y-%m-%dT%H:%M:%S}+09:00", "In state since": "9999-12-31T23:59:59+00:00",
        "Custom field 1": f"'=1+1 {MINE}", "Custom field 2": "", "Tags": "a, b", "IMEI": "353270090000001",
    }  # fmt: skip


def test_columns_that_are_hidden_are_not_in_it(world, make_user, login):
    person = make_user("Viewer", preferences={"columns": {"sims": ["account", "msisdn"]}})
    assert rows_of(login(person).get("/sims/?export=csv"))[0] == ["giccid", "MSISDN", "Account"]


@pytest.mark.parametrize(
    "query", ["sort=-usage", "status=RETIRED", "status=%00", "q=%27%22", "sort=%00&x=1", "after=x"]
)
def test_the_query_of_the_list_holds_for_its_file(query, make_sim, viewer, login):
    for usage in (5, None, 70):
        make_sim(data_usage=usage)
    client = login(viewer)
    page, rows = client.get(f"/sims/?{query}"), rows_of(client.get(f"/sims/?{query}&export=csv"))
    assert [row[0] for row in rows[1:]] == [sim.giccid for sim in page.context["listing"].page.rows]
    assert f'href="{page.context["listing"].files[0][1]}"'.replace("&", "&amp;") in page.content.decode()


def test_the_lines_of_a_job_as_its_page_shows_them(world, make_user, login):
    job = planned_job(make_user("Agent"), list(world.values()))
    rows = rows_of(login(make_user("Viewer")).get(f"/jobs/{job.pk}/?export=csv"))
    assert rows[0] == ["SIM", "Outcome", "Read as", "From", "To", "Reason code", "Reason", "As given"]
    assert [row[:5] for row in rows[1:]] == [
        [sim.giccid, "eligible", "found", "Activated", "Suspended"] for sim in world.values()
    ]
    limited = login(make_user("Agent", [MINE]))
    assert limited.get(f"/jobs/{job.pk}/?export=csv").status_code == 404
    assert limited.post(f"/jobs/{job.pk}/?export=csv").status_code == 404


def test_the_xlsx_has_identifiers_as_text_and_figures_as_numbers(world, viewer, login):
    response = login(viewer).get("/sims/?export=xlsx")
    assert response.headers["Content-Disposition"] == f'attachment; filename="sims-{timezone.now():%Y-%m-%d}.xlsx"'
    sheet = load_workbook(io.BytesIO(content(response))).active
    heads, first, _second = sheet.iter_rows()
    found = dict(zip([each.value for each in heads], first, strict=True))
    for name in ("giccid", "MSISDN", "Rate plan code"):
        assert (found[name].data_type, found[name].number_format) == ("s", "@")
    assert found["giccid"].value == world[MINE].giccid
    assert found["Data used (bytes)"].value == 5 * 2**30
    assert all(each.data_type != "f" for row in sheet.iter_rows() for each in row)


@pytest.mark.parametrize("format_", ["", "pdf", "CSV", "../x", "<b>"])
def test_an_unknown_format_is_refused_in_words(format_, world, viewer, login):
    client = login(viewer)
    response = client.get("/sims/", {"export": format_, "status": "RETIRED"})
    assert response.status_code == 400
    assert "/sims/?export=xlsx&amp;status=RETIRED" in response.content.decode()
    assert "<b>”" not in response.content.decode()
    assert client.post(f"/sims/?export={format_ or 'x'}").status_code == 404
    assert not Export.objects.exists()


def test_what_left_the_portal_is_in_the_audit_trail(world, viewer, login):
    client = login(viewer)
    for format_ in ("csv", "xlsx"):
        client.get(f"/sims/?status=ACTIVATED&sort=-usage&x=1&export={format_}")
        entry = AuditEntry.objects.filter(action="export.made").latest("pk")
        assert (entry.actor, entry.after) == (
            viewer,
            {"list": "/sims/", "query": "status=ACTIVATED&sort=-usage", "format": format_, "rows": 2},
        )


def test_as_many_queries_for_many_rows_as_for_few(make_sim, make_user, login):
    names = [name for name, _header in SimTable.optional_columns()]
    client = login(make_user("Viewer", preferences={"columns": {"sims": names}}))
    counted = []
    for number in (2, 20):
        for n in range(number):
            make_sim(plan=f"P{n}", pool=f"S{n}")
        with CaptureQueriesContext(connection) as queries:
            rows_of(client.get("/sims/?export=csv"))
        counted.append(len(queries))
    assert counted[0] == counted[1]


@pytest.fixture
def large(monkeypatch, tmp_path, make_sim) -> list[Sim]:
    """A list that is too large for a request, in files of two rows a query."""
    monkeypatch.setattr("core.exports.IN_REQUEST", 4)
    monkeypatch.setattr("core.listing.ROWS_A_QUERY", 2)
    monkeypatch.setitem(settings.CONFIG, "DATA_DIR", tmp_path)
    return [make_sim(data_usage=n * 7 % 4, account=[MINE, OTHER][n % 2]) for n in range(6)]


def asked(client: Client, address: str) -> Export:
    response: Any = client.post(address)
    assert (response.status_code, response.headers["Location"]) == (303, "/exports/")
    return Export.objects.latest("pk")


def fetched(client: Client, export: Export) -> Any:
    make_export(export.pk)
    return client.get(f"/exports/{export.pk}/file/")


@pytest.mark.parametrize("format_", ["csv", "xlsx"])
def test_a_large_list_is_made_in_the_background(format_, large, make_user, login):
    person = make_user("Viewer", preferences={"columns": {"sims": ["usage"]}}, time_zone="Asia/Tokyo")
    client, address = login(person), f"/sims/?status=ACTIVATED&sort=-usage&export={format_}"
    with CaptureQueriesContext(connection) as queries:
        offer = client.get(address).content.decode()
    assert "more than 4 rows" in offer
    counts = [query["sql"] for query in queries if "count(" in query["sql"].lower() and "sims_sim" in query["sql"]]
    assert all("LIMIT 5" in sql for sql in counts), "nothing counts further than that"
    assert not Export.objects.exists(), "a get makes nothing"
    export = asked(client, address)
    person.preferences = {}
    person.save()
    file = content(fetched(client, export))
    rows: list[Any] = (
        list(csv.reader(io.StringIO(file.decode())))
        if format_ == "csv"
        else [list(row) for row in load_workbook(io.BytesIO(file)).active.iter_rows(values_only=True)]
    )
    assert rows[0] == ["giccid", "Data used (bytes)", "Data quota (bytes)"], "the columns of when it was asked for"
    expected = sorted(large, key=lambda sim: (sim.data_usage, sim.giccid), reverse=True)
    assert [row[0] for row in rows[1:]] == [sim.giccid for sim in expected]
    export.refresh_from_db()
    assert (export.state, export.rows_total, export.rows_done, export.percent) == ("done", 6, 6, 100)
    assert export.file_name == f"sims-{timezone.now().astimezone(UTC) + timedelta(hours=9):%Y-%m-%d}.{format_}"


def test_a_file_made_later_is_of_those_accounts_that_its_owner_still_sees(large, scoped_agent, login, monkeypatch):
    monkeypatch.setattr("core.exports.IN_REQUEST", 1)
    client = login(scoped_agent)
    rows = rows_of(fetched(client, asked(client, "/sims/?export=csv")))
    assert [row[0] for row in rows[1:]] == [sim.giccid for sim in large[::2]]
    export = asked(client, "/sims/?export=xlsx")
    scoped_agent.account_scopes.all().delete()
    make_export(export.pk)
    assert not Export.objects.get(pk=export.pk).rows_total


@pytest.mark.parametrize("lost", ["role", "activity", "address"])
def test_who_lost_the_right_to_the_list_gets_no_file(lost, large, viewer, login):
    client = login(viewer)
    ready, waiting = asked(client, "/sims/?export=csv"), asked(client, "/sims/?export=xlsx")
    make_export(ready.pk)
    if lost == "role":
        viewer.groups.clear()
    elif lost == "activity":
        viewer.is_active = False
        viewer.save()
    else:
        for export in (ready, waiting):
            export.params = {**export.params, "path": "/exports/"}
            export.save()
    make_export(waiting.pk)
    waiting.refresh_from_db()
    assert (waiting.state, waiting.stored_as) == ("failed", "")
    assert waiting.message
    assert client.get(f"/exports/{ready.pk}/file/").status_code != 200


def test_a_job_out_of_scope_is_none_in_the_background_either(large, make_user, login):
    job = planned_job(make_user("Agent"), large)
    limited = make_user("Agent", [MINE])
    params = {"path": f"/jobs/{job.pk}/", "query": "", "columns": []}
    with pytest.raises(exports.NotAvailable):
        table_in_background(limited, params)


def test_in_the_background_no_row_comes_twice_though_rows_move(large, make_user):
    """The newest conversation comes first on screen; the file goes by what never changes."""
    for sim in large:
        note_message(Message.objects.create(sim=sim, direction="mo", text="x", at=timezone.now()))
    table = table_in_background(make_user("Viewer"), {"path": "/sms/", "query": "", "columns": ["last"]})
    found = []
    for number, row in enumerate(table.rows()):
        found.append(row[0])
        if number == 2:
            for sim in large[::-1]:
                note_message(Message.objects.create(sim=sim, direction="mo", text="y", at=timezone.now()))
    assert sorted(map(str, found)) == [sim.giccid for sim in large]


def test_more_rows_than_a_sheet_holds_go_on_in_the_next(monkeypatch):
    monkeypatch.setattr(spreadsheets, "SHEET_ROWS", 3)
    for number, sheets in ((0, [0]), (3, [3]), (4, [3, 1]), (7, [3, 3, 1])):
        rows: list[list[spreadsheets.Cell]] = [[-n] for n in range(number)]
        columns = [spreadsheets.Column("n")]
        table = spreadsheets.Table("Numbers", "n", columns, rows.__iter__, rows.__len__)
        target = io.BytesIO()
        assert spreadsheets.write_xlsx(table, target) == number
        book = load_workbook(target)
        assert [sheet.max_row - 1 for sheet in book] == sheets
        assert all(sheet["A1"].value == "n" for sheet in book)


def test_the_runs_of_the_sync(world, viewer, login, large):
    SyncRun.objects.bulk_create(SyncRun(kind="changes", state="done", trigger="schedule", read=n) for n in range(3))
    client = login(viewer)
    heads, *rows = rows_of(client.get("/sync/?export=csv"))
    assert [(row[1], row[heads.index("Read")]) for row in rows] == [("changes", str(n)) for n in (2, 1, 0)]
    SyncRun.objects.bulk_create(SyncRun(kind="changes", state="done", trigger="schedule") for _ in range(3))
    assert "more than 4 rows" in client.get("/sync/?export=xlsx").content.decode()
    assert len(rows_of(fetched(client, asked(client, "/sync/?export=csv")))) == 7


def test_operations_and_events_of_a_list_are_named_as_filters_name_them(world, viewer, login):
    client = login(viewer)
    heads, *rows = rows_of(client.get("/operations/?export=csv"))
    assert heads[:4] == ["Number", "Operation", "State", "SIM"]
    numbers = list(Operation.objects.order_by("-pk").values_list("pk", flat=True))
    assert [row[:3] for row in rows] == [[str(pk), "suspend", "failed"] for pk in numbers]
    assert TimelineEvent.objects.exists()
