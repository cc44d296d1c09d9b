"""Tags on SIMs: who may put them on, how they are found again."""

from __future__ import annotations

import re
from html import unescape

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core.models import AuditEntry
from sims.models import SimTag, Tag
from sims.selectors.tags import known_tags, tag_names
from sims.services import tags

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true"}


def shown(answer) -> list[str]:
    return re.findall(r'data-giccid="(\d+)"', answer.content.decode())


def test_a_tag_is_one_word_however_it_is_spelt(make_sim, agent):
    sim, other = make_sim(), make_sim()
    tags.add_tag(sim=sim, actor=agent, name="  Grün   Hof ")
    tags.add_tag(sim=sim, actor=agent, name="gRU\u0308N HOF")
    tags.add_tag(sim=other, actor=agent, name="GRÜN HOF")
    assert tag_names(sim.pk) == tag_names(other.pk) == {"Grün Hof"}
    assert Tag.objects.count() == 1
    assert AuditEntry.objects.filter(action="tag.added").count() == 2
    assert tags.remove_tag(sim=sim, actor=agent, name="grün hof")
    assert not tags.remove_tag(sim=sim, actor=agent, name="grün hof")
    assert tag_names(sim.pk) == set()
    assert AuditEntry.objects.get(action="tag.removed").actor == agent


@pytest.mark.parametrize("name", ["", "  ", "x" * 41, "a\x00b", "a\u202eb", "\u200b"])
def test_an_unusable_tag_is_refused_with_a_word(login, make_sim, agent, name):
    sim = make_sim()
    with pytest.raises(ValidationError):
        tags.add_tag(sim=sim, actor=agent, name=name)
    for headers in ({}, HTMX):
        answer = login(agent).post(f"/sims/{sim.giccid}/tags/", {"tag": name}, headers=headers)
        assert answer.status_code == 422
        assert b'aria-invalid="true"' in answer.content
    assert not SimTag.objects.exists()


def test_a_sim_bears_so_many_and_no_more(make_sim, agent):
    sim = make_sim()
    for number in range(tags.MOST):
        tags.add_tag(sim=sim, actor=agent, name=f"T{number}")
    tags.add_tag(sim=sim, actor=agent, name="T0")
    with pytest.raises(ValidationError, match="at most 50"):
        tags.add_tag(sim=sim, actor=agent, name="one more")


def test_the_page_adds_shows_and_removes_with_and_without_script(login, make_sim, agent, viewer):
    sim, client = make_sim(), login(agent)
    answer = client.post(f"/sims/{sim.giccid}/tags/", {"tag": "<b>&VIP"})
    assert (answer.status_code, answer["Location"]) == (303, f"/sims/{sim.giccid}/")
    html = client.post(f"/sims/{sim.giccid}/tags/", {"tag": "Depot"}, headers=HTMX).content.decode()
    assert "<html" not in html
    assert html.count('class="chip"') == 2
    assert "?tag=%3Cb%3E%26VIP" in html
    seen = login(viewer).get(f"/sims/{sim.giccid}/").content.decode()
    assert 'data-tag="&lt;b&gt;&amp;VIP"' in seen
    assert "Remove tag" not in seen
    html = client.post(f"/sims/{sim.giccid}/tags/remove/", {"tag": "<b>&VIP"}, headers=HTMX).content.decode()
    assert html.count('class="chip"') == 1
    assert client.post(f"/sims/{sim.giccid}/tags/remove/", {"tag": "Depot"}).status_code == 303
    assert not SimTag.objects.exists()


def test_a_tag_of_somebody_else_comes_to_open_pages_and_lists(login, make_user, make_sim, agent):
    def asked(html: str, element: str) -> str:
        [url] = re.findall(rf'id="{element}"(?: hidden)? hx-get="([^"]*)"', html)
        return unescape(url)

    sim, _other = make_sim(), make_sim()
    client = login(make_user("Agent", preferences={"columns": {"sims": ["status", "tags"]}}))
    page = asked(client.get(f"/sims/{sim.giccid}/").content.decode(), "sim-live")
    rows = asked(client.get("/sims/").content.decode(), "list-rows")
    of_list = {**HTMX, "HX-Trigger": "list-rows"}
    for change, there in ((tags.add_tag, 1), (tags.remove_tag, 0)):
        change(sim=sim, actor=agent, name="Depot")
        html = client.get(page, headers=HTMX).content.decode()
        assert html.count('data-tag="Depot"') == there
        assert 'id="sim-tag-chips"' in html
        assert "tag-panel" not in html, "a word that is being written stays"
        page = asked(html, "sim-live")
        html = client.get(rows, headers=of_list).content.decode()
        assert shown_rows(html) == [sim.pk]
        assert html.count('<span class="tag">Depot</span>') == there
        rows = asked(html, "list-rows")
        # Done already: nobody is told of anything.
        change(sim=sim, actor=agent, name="Depot")
        assert client.get(page, headers=HTMX).status_code == 204
        assert client.get(rows, headers=of_list).status_code == 204


def shown_rows(html: str) -> list[int]:
    return [int(pk) for pk in re.findall(r'id="row-(\d+)"', html)]


def test_the_list_filters_by_tag_and_shows_the_column(login, make_user, make_sim, agent):
    sims = [make_sim() for _ in range(3)]
    tags.add_tag(sim=sims[0], actor=agent, name="Depot")
    tags.add_tag(sim=sims[1], actor=agent, name="Depot")
    tags.add_tag(sim=sims[1], actor=agent, name="VIP")
    user = make_user("Viewer", preferences={"columns": {"sims": ["status", "tags"]}})
    client = login(user)
    for query, expected in (("tag=dEPOT", sims[:2]), ("tag=VIP", sims[1:2]), ("tag=VIP&tag=Depot", sims[:2])):
        assert shown(client.get(f"/sims/?{query}")) == [sim.giccid for sim in expected]
    assert shown(client.get("/sims/?tag=none")) == []
    answer = client.get("/sims/")
    assert shown(answer) == [sim.giccid for sim in sims]
    assert answer.content.decode().count('<span class="tag">Depot</span>') == 2
    client.get("/sims/?tag=Depot", headers={**HTMX, "HX-Target": "results"})
    counts = []
    for number in (0, 5):
        for _ in range(number):
            tags.add_tag(sim=make_sim(), actor=agent, name="Depot")
        with CaptureQueriesContext(connection) as queries:
            client.get("/sims/?tag=Depot", headers={**HTMX, "HX-Target": "results"})
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_who_may_tag_and_who_sees_which(login, client, make_user, make_sim, agent, viewer, scoped_agent):
    mine, foreign = make_sim(), make_sim(account="other_account")
    tags.add_tag(sim=foreign, actor=agent, name="Secret")
    tags.add_tag(sim=mine, actor=scoped_agent, name="Open")
    assert known_tags(scoped_agent) == ["Open"]
    assert known_tags(agent) == ["Open", "Secret"]
    assert "Secret" not in login(scoped_agent).get(f"/sims/{mine.giccid}/").content.decode()
    assert "Secret" not in login(scoped_agent).get("/sims/").content.decode()
    for path in ("tags/", "tags/remove/"):
        address = f"/sims/{foreign.giccid}/{path}"
        assert client.post(address, {"tag": "Secret"}).status_code == 302
        assert login(viewer).post(address, {"tag": "Secret"}).status_code == 403
        assert login(scoped_agent).post(address, {"tag": "Secret"}).status_code == 404
        assert login(agent).get(address).status_code == 405
    for actor in (viewer, scoped_agent):
        with pytest.raises(PermissionDenied):
            tags.add_tag(sim=foreign, actor=actor, name="x")
        with pytest.raises(PermissionDenied):
            tags.remove_tag(sim=foreign, actor=actor, name="Secret")
    for role in ("Agent", "Supervisor", "Administrator"):
        assert login(make_user(role)).post(f"/sims/{mine.giccid}/tags/", {"tag": role}).status_code == 303
    assert tag_names(foreign.pk) == {"Secret"}
