"""Many rows at a time: the same as Django's own ways, on every database."""

from __future__ import annotations

import pytest
from django.db import connection

from core.bulk import among, bare, fetching_ahead, insert
from core.models import AuditEntry
from sims.models import Sim

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
