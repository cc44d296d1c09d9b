"""The mirror in the admin site: only what the administrator may see, nothing to change."""

import pytest
from django.utils import timezone

from sims.models import (
    Account,
    AccountHistory,
    CountryMonth,
    CountryUsage,
    Enterprise,
    PoolHistory,
    RatePlan,
    SharePool,
)
from sims.services.notes import add_note
from staff.roles import ADMINISTRATOR

PAGES = ["sim", "account", "rateplan", "sharepool", "timelineevent", "note"]
PAGES += ["enterprise", "accounthistory", "poolhistory", "countrymonth", "countryusage"]


@pytest.fixture
def other(make_sim, administrator):
    """A SIM of another account, with all that belongs to it."""
    sim = make_sim(account="north_logistics")
    account = Account.objects.get(name="north_logistics")
    plan = RatePlan.objects.create(code="NORTH-PLAN", name="Plan of the north", fetched_at=timezone.now())
    plan.accounts.add(account)
    SharePool.objects.create(code="NORTH-POOL", name="Pool of the north", account=account)
    Enterprise.objects.create(name="Enterprise of the north")
    now, day = timezone.now(), {"day": timezone.now().date(), "read_at": timezone.now()}
    AccountHistory.objects.create(account=account, **day)
    PoolHistory.objects.create(pool_id="NORTH-POOL", **day)
    CountryMonth.objects.create(account=account, month=now.date().replace(day=1), countries=1, read_at=now)
    CountryUsage.objects.create(account=account, month=now.date().replace(day=1), country_code="DE", read_at=now)
    add_note(sim=sim, author=administrator, text="note of the north")
    return sim


@pytest.mark.parametrize("page", [f"sims/{page}" for page in PAGES])
def test_an_administrator_of_one_account_finds_nothing_of_another(page, other, make_user, administrator, login):
    words = ("north", "NORTH", other.giccid)
    assert login(make_user(ADMINISTRATOR, ["example_account"])).get(f"/admin/{page}/").status_code == 403
    limited = make_user(ADMINISTRATOR, ["example_account"], is_superuser=True)
    found = login(limited).get(f"/admin/{page}/").content.decode()
    assert not [word for word in words if word in found]
    unlimited = login(administrator).get(f"/admin/{page}/").content.decode()
    assert [word for word in words if word in unlimited]


def test_a_sim_of_another_account_has_no_admin_page(other, make_user, administrator, login):
    address = f"/admin/sims/sim/{other.pk}/change/"
    assert login(administrator).get(address).status_code == 200
    limited = make_user(ADMINISTRATOR, ["example_account"], is_superuser=True)
    assert login(limited).get(address).status_code == 302
