"""Many rows at a time: the same as Django's own ways, on every database."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import DataError, connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.bulk import Json, among, bare, behind, fetching_ahead, insert, insert_absent, preparer, upsert
from core.models import AuditEntry
from sims.models import Account, Sim, SimReading

pytestmark = pytest.mark.django_db


@pytest.fixture
def sims(make_sim):
    return [make_sim(custom1=text) for text in ("a", "b", "it's", "", '{"x", y}')]


class TestAmong:
    def test_keys_and_relations(self, sims):
        keys = {sims[0].pk, sims[3].pk, 0}
        assert set(Sim.objects.filter(among("id", keys)).values_list("pk", flat=True)) == {sims[0].pk, sims[3].pk}
        assert Sim.objects.filter(among("account_id", ["example_account"]), custom1="b").get() == sims[1]

    def test_texts_as_they_are(self, sims):
        texts = ["it's", '{"x", y}', "a' OR 'a' = 'a", "x" * 3000]
        assert {sim.custom1 for sim in Sim.objects.filter(among("custom1", texts))} == {"it's", '{"x", y}'}

    def test_nothing_is_in_nothing(self, sims):
        assert not Sim.objects.filter(among("id", [])).exists()

    def test_changes_and_leaves_out(self, sims):
        assert Sim.objects.filter(among("id", [sims[0].pk])).update(custom2="new") == 1
        assert Sim.objects.exclude(among("id", [sims[0].pk])).filter(custom2="new").count() == 0


class TestFetchingAhead:
    def test_reads_the_same_and_leaves_no_trace(self, sims):
        def settings() -> list[str]:
            with connection.cursor() as cursor:
                cursor.execute("SELECT name || setting FROM pg_settings WHERE name LIKE 'enable%' ORDER BY name")
                return [row[0] for row in cursor.fetchall()]

        is_postgres = connection.vendor == "postgresql"
        before = settings() if is_postgres else []
        with fetching_ahead(1000):
            assert not is_postgres or settings() != before
            assert Sim.objects.filter(among("giccid", [sim.giccid for sim in sims])).count() == len(sims)
        with pytest.raises(ZeroDivisionError), fetching_ahead(1000):
            _ = 1 / 0
        assert not is_postgres or settings() == before


class TestBare:
    def test_columns_are_there_and_others_come_when_asked_for(self, sims, django_assert_num_queries):
        columns = ("id", "giccid", "account_id")
        rows = Sim.objects.order_by("pk").values_list(*columns)
        with django_assert_num_queries(1):
            found = list(bare(Sim, columns, rows))
            assert [sim.giccid for sim in found] == [sim.giccid for sim in sims]
        with django_assert_num_queries(1):
            assert found[2].custom1 == "it's"
        assert found[0] == sims[0]
        found[0].custom1 = "anew"
        found[0].save(update_fields=["custom1"])
        sims[0].refresh_from_db()
        assert sims[0].custom1 == "anew"


class TestInsert:
    def test_defaults_shared_and_own_values(self, make_user):
        actor = make_user("Agent")
        rows = [("1", {"status": "é\t\\n\n"}), ("2", {}), ("3", {"list": []})]
        insert(AuditEntry, {"action": "a.b", "actor_id": actor.pk, "ticket": "T-1"}, ("object_id", "after"), rows)
        entries = list(AuditEntry.objects.filter(action="a.b").order_by("object_id"))
        assert [(entry.object_id, entry.after) for entry in entries] == rows
        assert {(entry.actor_id, entry.ticket, entry.address, entry.reason) for entry in entries} == {
            (actor.pk, "T-1", None, "")
        }
        assert all(entry.at is not None and entry.before == {} for entry in entries)

    def test_no_rows(self, db):
        insert(AuditEntry, {"action": "a.b"}, ("object_id",), [])
        assert not AuditEntry.objects.filter(action="a.b").exists()


_TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**50), 2**50) | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=5,
)
_TIMES = st.integers(0, 2**32 * 1000).map(lambda millis: datetime.fromtimestamp(millis / 1000, UTC))
_SIM = st.fixed_dictionaries(
    {
        "custom1": _TEXT,
        "search": _TEXT,
        "apns": st.lists(_JSON, max_size=2) | st.dictionaries(_TEXT, _JSON, max_size=3),
        "data_usage": st.none() | st.integers(0, 2**63 - 1),
        "online": st.none() | st.booleans(),
        "last_session_at": st.none() | _TIMES,
        "usage_jump_on": st.none() | st.dates(),
        "observed_at": _TIMES,
    }
)
_ALL = [field.attname for field in Sim._meta.concrete_fields if not field.primary_key]
_EITHER = [name for name in _ALL if name not in ("giccid", "changed_at", "first_seen_at")]


class TestUpsert:
    """Whatever the values are, the rows are what Django's own ways make of them."""

    @staticmethod
    def ours(sims: list[dict[str, Any]], start: int) -> list[Sim]:
        return [
            Sim(giccid=f"{start + n:019}", account_id="an account", status="ACTIVATED", **sim)
            for n, sim in enumerate(sims)
        ]

    @staticmethod
    def stored(start: int, count: int) -> list[tuple[Any, ...]]:
        rows = Sim.objects.filter(giccid__in=[f"{start + n:019}" for n in range(count)]).order_by("giccid")
        return list(rows.values_list(*_EITHER))

    @settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(before=st.lists(_SIM, min_size=1, max_size=4), after=st.lists(_SIM, min_size=1, max_size=4))
    def test_as_django_inserts_and_updates(self, db, before, after):
        Account.objects.get_or_create(name="an account")
        Sim.objects.all().delete()
        changed = [name for name in _EITHER if name != "search"]
        for sims, made_ready in ((before, preparer(Sim, _ALL)), (after, list)):
            rows = [made_ready([getattr(s, name) for name in _ALL]) for s in self.ours(sims, 10)]
            upsert(Sim, _ALL, rows, key="giccid", update=changed)
            Sim.objects.bulk_create(
                self.ours(sims, 90), update_conflicts=True, unique_fields=["giccid"], update_fields=changed
            )
        most = max(len(before), len(after))
        assert self.stored(10, most) == self.stored(90, most)
        assert len(self.stored(10, most)) == most

    def test_what_is_there_stays_and_the_keys_of_the_others_are_told(self, sims):
        rows = self.ours([{"custom1": "new", "observed_at": datetime(2026, 1, 1, tzinfo=UTC)}] * 2, 10)
        rows[0].giccid, rows[0].account_id = sims[0].giccid, sims[0].account_id
        rows[1].account_id = sims[0].account_id
        keys = insert_absent(Sim, _ALL, [[getattr(s, name) for name in _ALL] for s in rows], key="giccid")
        assert keys == {rows[1].giccid: Sim.objects.get(giccid=rows[1].giccid).pk}
        assert Sim.objects.get(pk=sims[0].pk).custom1 == "a"

    def test_json_that_is_text_already(self, sims):
        told = [(sim.pk, Json(json.dumps({"é\t": ["\\n", number]}))) for number, sim in enumerate(sims)]
        for _again in range(2):
            upsert(SimReading, ("sim_id", "raw"), told, key="sim_id", update=("raw",))
        assert [r.raw for r in SimReading.objects.order_by("pk")] == [{"é\t": ["\\n", n]} for n in range(len(sims))]

    def test_a_row_made_ready_before_its_key_is_known(self, sims):
        ready = preparer(SimReading, ("raw",))
        told = [behind(s.pk, ready((Json(json.dumps({"é\t": ["\\n", n, "\n"]})),))) for n, s in enumerate(sims)]
        upsert(SimReading, ("sim_id", "raw"), told, key="sim_id", update=("raw",))
        stored = [r.raw for r in SimReading.objects.order_by("pk")]
        assert stored == [{"é\t": ["\\n", n, "\n"]} for n in range(len(sims))]

    def test_what_the_database_refuses_is_an_error_of_django(self, sims):
        if connection.vendor != "postgresql":
            pytest.skip("SQLite takes a text of any length")
        with pytest.raises(DataError):
            upsert(Account, ("name",), [("x" * 121,)], key="name", update=("name",))
