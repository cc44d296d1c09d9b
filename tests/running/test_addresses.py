"""By which name the probes are asked, and whose address a request has behind proxies."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings
from django.test import Client, RequestFactory

from core.addresses import client_address

PROXY = "10.0.0.9"


@pytest.mark.parametrize(
    ("behind", "count", "forwarded", "address"),
    [
        (False, 1, "192.0.2.1", PROXY),
        (True, 1, "192.0.2.1", "192.0.2.1"),
        (True, 1, "203.0.113.66, 192.0.2.1", "192.0.2.1"),
        (True, 2, "203.0.113.66, 192.0.2.1, 10.0.0.8", "192.0.2.1"),
        (True, 2, "2001:db8::1,10.0.0.8", "2001:db8::1"),
        (True, 2, "203.0.113.66", PROXY),
        (True, 1, "", PROXY),
        (True, 1, "nonsense", PROXY),
        (True, 0, "203.0.113.66", PROXY),
        (True, -1, "203.0.113.66", PROXY),
    ],
)
def test_the_client_is_so_many_proxies_away(
    behind: bool, count: int, forwarded: str, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a client puts in front of the header changes nothing, and a header that is too short is not trusted."""
    monkeypatch.setitem(settings.CONFIG, "BEHIND_PROXY", behind)
    monkeypatch.setitem(settings.CONFIG, "PROXY_COUNT", count)
    request = RequestFactory().get("/", headers={"X-Forwarded-For": forwarded}, REMOTE_ADDR=PROXY)
    assert client_address(request) == address


@pytest.mark.parametrize(("path", "status"), [("/healthz", 200), ("/metrics", 403), ("/login/", 400)])
def test_probes_come_by_address(client: Client, path: str, status: int, settings: Any) -> None:
    """An orchestrator asks a container at its address and without TLS; people have to use the portal's name."""
    settings.SECURE_SSL_REDIRECT = path != "/login/"
    response = client.get(path, headers={"host": "10.1.2.3:8000"}, REMOTE_ADDR=PROXY)
    assert response.status_code == status
    assert response["X-Request-ID"]
