"""What happens in the carrier's networks: devices change, use, fall silent and write, and pushes tell of it."""

from __future__ import annotations

import random
import uuid
from typing import Any

from chaos.carrier import Truth
from simulator import catalog
from simulator.clock import format_time

AT_ONCE = 50


def pushes(truth: Truth, seed: int, first: int, count: int, now: float) -> list[dict[str, Any]]:
    """Bodies of ``count`` pushes that tell of no change of the SIM, numbered from ``first``."""
    bodies = []
    for number in range(first, first + count):
        chance = random.Random(f"{seed} push {number}")
        giccid = chance.choice(truth.giccids)
        body: dict[str, Any] = {
            "eventId": str(uuid.UUID(int=chance.getrandbits(128), version=4)),
            "accountName": truth.seeded[giccid]["accountName"],
            "giccid": giccid,
            "eventTime": format_time(now),
        }
        kind = chance.choice(["CYCLE_USAGE_TRACKING", "NO_SESSION_CONNECTION", "PREPAID_SERVICE_PACKAGE_EXPIRED"])
        if kind == "CYCLE_USAGE_TRACKING":
            body |= {"dataUsage": chance.randrange(10**9), "threshold": 10**8, "thresholdPercent": 80}
        elif kind == "NO_SESSION_CONNECTION":
            body |= {"noSessionHours": chance.randrange(1000)}
        else:
            body |= {"servicePackageCode": chance.choice(catalog.EXTRA_PLANS).code, "expiredTime": format_time(now)}
        bodies.append({"eventType": kind, **body})
    return bodies


def message_in(truth: Truth, seed: int, number: int, now: float) -> dict[str, Any]:
    """A push of a message that a device sent."""
    chance = random.Random(f"{seed} from a device {number}")
    giccid = chance.choice(truth.giccids)
    return {
        "eventId": str(uuid.UUID(int=chance.getrandbits(128), version=4)),
        "eventType": "MO_SMS",
        "accountName": truth.seeded[giccid]["accountName"],
        "giccid": giccid,
        "fromGiccid": giccid,
        "eventTime": format_time(now),
        "receivedTime": format_time(now),
        "smsMsgId": f"mo-{seed}-{number}",
        "messageText": f"from a device {number}",
        "dataCoding": 0,
    }


def other_device(truth: Truth, seed: int, number: int) -> None:
    """A SIM is put into another device: a change that nobody at the portal asked for."""
    chance = random.Random(f"{seed} device {number}")
    giccid = chance.choice(truth.giccids)
    imei = f"35{chance.randrange(10**13):013d}"
    truth.simulator.control("PATCH", f"sims/{giccid}", {"imei": imei})
