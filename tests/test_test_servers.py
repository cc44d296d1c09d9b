"""The servers of the test run itself do what tests rely on."""

import subprocess
import sys

import pytest
from django.db import connection

from core.queue import enqueue
from smarthub_portal.celery import app
from tests.servers import BASE_DIR


def test_valkey_is_empty_and_takes_tasks(valkey):
    assert valkey.dbsize() == 0

    @app.task(name="operations.tasks.nothing")
    def nothing():
        return None

    assert enqueue(nothing)
    assert valkey.llen("agent") == 1


@pytest.mark.django_db
def test_roles_are_there_after_any_other_test(make_user):
    user = make_user("Supervisor")
    assert user.has_perm("operations.retire_sim")


@pytest.mark.django_db(transaction=True)
def test_a_process_shares_the_database_of_the_test(portal_environment, make_sim):
    sim = make_sim()
    code = "import django; django.setup(); from sims.models import Sim; print(Sim.objects.get().giccid)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=BASE_DIR, env=portal_environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == sim.giccid


@pytest.mark.django_db
@pytest.mark.postgres
def test_postgres_has_trigrams():
    if connection.vendor != "postgresql":
        pytest.skip("PostgreSQL only")
    with connection.cursor() as cursor:
        cursor.execute("select count(*) from pg_available_extensions where name = 'pg_trgm'")
        assert cursor.fetchone() == (1,)
