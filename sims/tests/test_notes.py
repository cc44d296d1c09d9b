"""Notes on a SIM: who may write them, and where they show."""

from __future__ import annotations

import pytest

from core.models import AuditEntry
from sims.models import Note, TimelineEvent

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true"}


@pytest.fixture
def url(make_sim) -> str:
    return f"/sims/{make_sim().giccid}/notes/"


def test_a_note_shows_on_the_page_in_the_timeline_and_in_the_audit_trail(login, agent, url):
    client = login(agent)
    answer = client.post(url, {"text": "Send a <b>new</b> device"})
    assert answer.status_code == 303
    html = client.get(answer["Location"]).content.decode()
    assert html.count("Send a &lt;b&gt;new&lt;/b&gt; device") == 2
    assert 'data-event-kind="note"' in html
    entry = AuditEntry.objects.get(action="note.added")
    assert (entry.actor, list(entry.after)) == (agent, ["note"]), "its text can be removed, the entry can not"


def test_htmx_gets_the_notes_with_an_empty_form(login, agent, url):
    html = login(agent).post(url, {"text": "Call back"}, headers=HTMX).content.decode()
    assert "Call back" in html
    assert "<html" not in html
    assert html.count("Call back") == 1


@pytest.mark.parametrize("text", ["", "   ", "x" * 4001, "a\x00b"])
@pytest.mark.parametrize("headers", [{}, HTMX])
def test_an_unusable_note_is_refused_with_a_word(login, agent, url, text, headers):
    answer = login(agent).post(url, {"text": text}, headers=headers)
    assert answer.status_code == 422
    assert b'aria-invalid="true"' in answer.content
    assert not Note.objects.exists()
    assert not TimelineEvent.objects.exists()


@pytest.mark.parametrize("role", ["Agent", "Supervisor", "Administrator"])
def test_agents_and_above_may_write(login, make_user, url, role):
    assert login(make_user(role)).post(url, {"text": "x"}).status_code == 303


def test_others_may_not(login, client, viewer, make_user, url):
    assert client.post(url, {"text": "x"}).status_code == 302
    assert login(viewer).post(url, {"text": "x"}).status_code == 403
    assert login(make_user("Agent", ["other_account"])).post(url, {"text": "x"}).status_code == 404
    assert login(make_user("Agent")).get(url).status_code == 405
    assert b"New note" not in login(viewer).get(url.replace("notes/", "")).content
    assert not Note.objects.exists()
