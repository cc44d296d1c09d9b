"""A receiver of webhooks that listens, and rules that send to it."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from notifications.models import Delivery, Event, Forward, Notification, Rule
from notifications.services import deliveries, forwards
from notifications.tests.deliveries.receivers import Receiver, serve


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver on loopback."""
    one = Receiver()
    server = serve(one)
    yield one
    server.shutdown()
    server.server_close()


@pytest.fixture
def loopback_allowed() -> Iterator[None]:
    """As with ``FORWARD_ALLOW_PRIVATE=1``."""
    settings.CONFIG["FORWARD_ALLOW_PRIVATE"] = True
    yield
    settings.CONFIG["FORWARD_ALLOW_PRIVATE"] = False


@pytest.fixture
def forward(receiver: Receiver, loopback_allowed: None, administrator: Any) -> Forward:
    """A webhook to the receiver; its key is in ``forward.key``."""
    made, key = forwards.create_forward(name="Ticket system", url=receiver.url(), actor=administrator)
    made.key = key  # type: ignore[attr-defined]  # for the tests, which can't read it otherwise
    return made


@pytest.fixture
def make_event(make_sim: Any) -> Callable[..., tuple[Event, Notification]]:
    """``make_event(rule, **fields)``: an event of a SIM and the notification that ``rule`` made of it."""
    numbers = iter(range(1, 10_000))

    def make(rule: Rule, **fields: Any) -> tuple[Event, Notification]:
        number = next(numbers)
        now = timezone.now()
        sim = fields.pop("sim", None) or make_sim(plan="EU-100M-M", custom1="Hamburg 7")
        event = Event.objects.create(
            **{
                "kind": "CYCLE_USAGE_TRACKING",
                "key": f"event-{number}",
                "at": now,
                "sim": sim,
                "account_name": sim.account_id,
                "plan_code": "EU-100M-M",
                "value": 112.5,
                "detail": {"dataUsage": 117964800, "quota": 104857600},
                **fields,
            }
        )
        line = Notification.objects.create(
            rule=rule,
            kind=event.kind,
            account_name=event.account_name,
            severity=rule.severity,
            first_at=now,
            last_at=now,
            events=1,
            sims=1,
            joins=False,
        )
        return event, line

    return make


@pytest.fixture
def make_rule(db: None) -> Callable[..., Rule]:
    """``make_rule(*forwards, **fields)``."""

    def make(*to: Forward, **fields: Any) -> Rule:
        rule = Rule.objects.create(
            **{"name": f"Rule {Rule.objects.count()}", "active": True, "kinds": ["CYCLE_USAGE_TRACKING"], **fields}
        )
        rule.forwards.set(to)
        return rule

    return make


@pytest.fixture
def store(make_rule: Any, make_event: Any) -> Callable[..., list[Delivery]]:
    """``store(*forwards, **fields of the rule)``: the deliveries of one event of a rule."""

    def do(*to: Forward, rule: Rule | None = None, **fields: Any) -> list[Delivery]:
        rule = rule or make_rule(*to, **fields)
        event, line = make_event(rule)
        deliveries.store(rule=rule, event=event, notification=line)
        return list(Delivery.objects.filter(event=event).order_by("pk"))

    return do


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """``resolver(*answers)``: names resolve to each of ``answers`` in turn (a list of addresses), the last one for
    ever; answers the list of names that were asked for."""

    def install(*answers: list[str]) -> list[str]:
        asked: list[str] = []
        real = socket.getaddrinfo

        def ask(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
            if isinstance(host, str) and not host.endswith(".example"):
                return real(host, port, *args, **kwargs)
            asked.append(str(host))
            addresses = answers[min(len(asked), len(answers)) - 1]
            return [
                (
                    socket.AF_INET6 if ":" in address else socket.AF_INET,
                    socket.SOCK_STREAM,
                    6,
                    "",
                    (address, port, 0, 0) if ":" in address else (address, port),
                )
                for address in addresses
            ]

        monkeypatch.setattr(socket, "getaddrinfo", ask)
        return asked

    return install
