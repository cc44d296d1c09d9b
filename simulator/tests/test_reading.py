"""The reading calls: SIMs, pages, custom fields, accounts, plans, pools, statistics."""

import pytest

from simulator.tests.conftest import FLEET, SAMPLE, Simulator


def test_both_base_urls_serve_the_contract(carrier: Simulator) -> None:
    names = {category["name"] for category in carrier.get("/")["categories"]}
    assert {"global-sims", "mt-sms"} <= names
    assert carrier.get("/v1") == carrier.get("/v1/") == carrier.get("/")
    assert carrier.get(f"/v1/global-sims/{SAMPLE}") == carrier.sim(SAMPLE)


def test_the_sample_sim_looks_as_the_contract_says(carrier: Simulator) -> None:
    sim = carrier.sim(SAMPLE)
    assert sim["giccid"] == SAMPLE
    assert (sim["accountName"], sim["status"]) == ("example_account", "ACTIVATED")
    assert sim["basicServicePackage"] == {"code": "EU-100M-M", "name": "Europe 100 MB monthly"}
    assert sim["apns"] == [{"apn": "iot.example", "status": "ENABLED"}]
    assert set(sim["cycleUsage"]) == {"cycleStart", "cycleEnd", "dataUsage", "dataQuota", "smsUsage"}
    assert sim["session"]["countryCode"] == "DE"
    assert sim["activatedTime"] == "2024-03-01T02:10:00+0000"


@pytest.mark.parametrize("giccid", ["89860119070000000029", "abc", "8986011805021000041"])
def test_unknown_giccid_is_404_missing(carrier: Simulator, giccid: str) -> None:
    response = carrier.call("GET", f"/global-sims/{giccid}")
    assert response.status_code == 404
    assert response.json()["errors"] == [{"resource": "globalSim", "field": "giccid", "code": "missing"}]


def test_pages_walk_the_whole_fleet_in_order_of_giccid(carrier: Simulator) -> None:
    seen, page = [], 0
    while True:
        answer = carrier.get("/global-sims", page=page, size=70)
        assert (answer["page"], answer["size"], answer["total"]) == (page, 70, FLEET)
        if not answer["data"]:
            break
        seen += [sim["giccid"] for sim in answer["data"]]
        page += 1
    assert len(seen) == FLEET
    assert seen == sorted(set(seen))


def test_default_size_is_ten_and_the_largest_is_reported(carrier: Simulator) -> None:
    assert len(carrier.get("/global-sims")["data"]) == carrier.get("/global-sims")["size"] == 10
    answer = carrier.get("/global-sims", size=5000, page=1)
    assert answer["size"] == len(answer["data"]) == 100
    assert carrier.get("/global-sims", size=100, page=FLEET)["data"] == []


def test_largest_page_is_a_setting(launch) -> None:
    small = launch("--fleet", "50", "--page-size-max", "7")
    answer = small.get("/global-sims", size=100, page=1)
    assert (answer["size"], len(answer["data"]), answer["total"]) == (7, 7, 50)


@pytest.mark.parametrize(("name", "value"), [("page", "-1"), ("page", "x"), ("size", "0"), ("size", "1.5")])
def test_bad_paging_is_422(carrier: Simulator, name: str, value: str) -> None:
    response = carrier.call("GET", "/global-sims", params={name: value})
    assert response.status_code == 422
    assert response.json()["errors"][0] == {"resource": "page", "field": name, "code": "invalid"}


def test_filters_give_exact_totals(carrier: Simulator) -> None:
    whole = [sim for page in range(4) for sim in carrier.get("/global-sims", page=page, size=100)["data"]]
    for account, status in [("north_logistics", None), (None, "RETIRED"), ("example_account", "DEACTIVATED")]:
        query = {k: v for k, v in (("accountName", account), ("status", status)) if v}
        expected = [
            sim["giccid"] for sim in whole if account in (None, sim["accountName"]) and status in (None, sim["status"])
        ]
        answer = carrier.get("/global-sims", size=100, **query)
        assert answer["total"] == len(expected) > 0
        assert [sim["giccid"] for sim in answer["data"]] == expected[:100]


def test_filters_follow_changes(carrier: Simulator) -> None:
    before = carrier.get("/global-sims", status="DEACTIVATED")["total"]
    assert carrier.post(f"/global-sims/{SAMPLE}/deactivate").status_code == 200
    answer = carrier.get("/global-sims", status="DEACTIVATED")
    assert answer["total"] == before + 1
    assert answer["data"][0]["giccid"] == SAMPLE


def test_unknown_account_or_status_is_an_empty_page(carrier: Simulator) -> None:
    for query in ({"accountName": "nobody"}, {"status": "FROZEN"}):
        answer = carrier.get("/global-sims", **query)
        assert (answer["data"], answer["total"]) == ([], 0)


def test_giccid_may_be_repeated_up_to_a_hundred_times(carrier: Simulator) -> None:
    known = [sim["giccid"] for sim in carrier.get("/global-sims", size=99)["data"]]
    answer = carrier.get("/global-sims", giccid=[*reversed(known), "1" * 20], size=100)
    assert [sim["giccid"] for sim in answer["data"]] == known
    assert answer["total"] == 99
    response = carrier.call("GET", "/global-sims", params={"giccid": [*known, "1" * 20, "2" * 20]})
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == "giccid"


def test_enterprise_and_accounts_add_up(carrier: Simulator) -> None:
    accounts = carrier.get("/enterprise")["accounts"]
    assert sum(account["simCount"] for account in accounts) == FLEET
    for account in accounts:
        detail = carrier.get(f"/account/{account['name']}")
        assert detail["simCount"] == account["simCount"] == sum(detail["statusCounts"].values())
        assert {"currency", "balance", "currentCharge", "status"} <= set(detail)
    assert carrier.call("GET", "/account/nobody").status_code == 404


def test_plans_are_a_page_of_basic_and_supplementary_ones(carrier: Simulator) -> None:
    answer = carrier.get("/example_account/servicePackages", size=100)
    assert answer["total"] == len(answer["data"]) == 16
    assert [plan["type"] for plan in answer["data"]].count("SUPPLEMENTARY") == 4
    assert all(plan["price"] > 0 and plan["dataQuota"] > 0 for plan in answer["data"])
    assert len(carrier.get("/v1/example_account/servicePackages", page=1)["data"]) == 6
    assert carrier.call("GET", "/nobody/servicePackages").status_code == 404


def test_pools_count_the_sims_that_name_them(carrier: Simulator) -> None:
    whole = [sim for page in range(4) for sim in carrier.get("/global-sims", page=page, size=100)["data"]]
    for pool in carrier.get("/share-pools", accountName="example_account")["data"]:
        members = [sim for sim in whole if sim.get("sharePoolCode") == pool["code"]]
        assert pool["simCount"] == len(members)
        assert pool["dataUsage"] == sum(sim.get("cycleUsage", {}).get("dataUsage", 0) for sim in members)
    assert carrier.get("/share-pools", accountName="nobody")["data"] == []
    assert carrier.get("/share-pools")["total"] == 6


def test_country_statistics(carrier: Simulator) -> None:
    answer = carrier.get("/global-sims/statistics/countries")
    assert {"DE", "FR"} <= {row["countryCode"] for row in answer["data"]}
    one = carrier.get("/global-sims/statistics/countries", accountName="example_account", month=answer["month"])
    assert sum(row["simCount"] for row in one["data"]) < sum(row["simCount"] for row in answer["data"])
    assert carrier.get("/global-sims/statistics/countries", month="2099-01")["data"] == []
    assert carrier.call("GET", "/global-sims/statistics/countries?month=May").status_code == 422
    assert carrier.get("/global-sims/statistics/countries", accountName="nobody")["data"] == []


def test_key_is_needed_everywhere_but_at_the_control_api(carrier: Simulator) -> None:
    for key in ("", "wrong", "test-key-", "tést"):
        response = carrier.call("GET", f"/global-sims/{SAMPLE}", headers={"X-API-Key": key.encode()})
        assert response.status_code == 401
        assert response.json() == {"type": "about:blank", "title": "Invalid api key", "status": 401}
    refused = carrier.call("POST", f"/global-sims/{SAMPLE}/deactivate", headers={"X-API-Key": "wrong"})
    assert refused.status_code == 401
    assert carrier.changes(SAMPLE) == []
    assert carrier.control("GET", "/ready")["ready"]


def test_other_paths_and_methods_are_json_errors(carrier: Simulator) -> None:
    assert carrier.call("GET", "/nothing/here").json()["status"] == 404
    assert carrier.call("DELETE", f"/global-sims/{SAMPLE}").json()["status"] == 405


def test_connection_is_kept_open(carrier: Simulator) -> None:
    response = carrier.call("GET", "/enterprise")
    assert response.raw.version == 11
    assert "close" not in response.headers.get("Connection", "").lower()
