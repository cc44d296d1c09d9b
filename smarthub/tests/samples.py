"""The contract's own examples."""

from typing import Any

GICCID = "8986011805021000040"

SIM: dict[str, Any] = {
    "giccid": GICCID,
    "imsi": "460011234567890",
    "msisdn": "8614500000040",
    "imei": "353270091234567",
    "accountName": "example_account",
    "status": "ACTIVATED",
    "activatedTime": "2024-03-01T02:10:00+0000",
    "basicServicePackage": {"code": "EU-100M-M", "name": "Europe 100 MB monthly"},
    "supplementaryServicePackages": [
        {
            "subscriptionId": "s-1",
            "code": "TOPUP-50M",
            "name": "Top-up 50 MB",
            "status": "ACTIVE",
            "activatedTime": "2024-11-02T00:00:00Z",
            "expiredTime": "2024-12-02T08:00:00+08:00",
            "dataUsage": 1048576,
            "dataQuota": 52428800,
        }
    ],
    "apns": [{"apn": "iot.example", "status": "ENABLED"}],
    "cycleUsage": {
        "cycleStart": "2024-11-01T00:00:00+0000",
        "cycleEnd": "2024-12-01T00:00:00+0000",
        "dataUsage": 73400320,
        "dataQuota": 104857600,
        "smsUsage": 4,
    },
    "session": {
        "online": True,
        "lastSessionTime": "2024-11-20T10:00:00+0000",
        "countryCode": "DE",
        "network": "26201",
        "ratType": "LTE",
        "ipAddress": "10.8.1.20",
    },
    "sharePoolCode": "EU-POOL-1",
    "customFields": {"custom1": "customer 7"},
    "updatedTime": "2024-11-20T10:00:01+0000",
}

CHANGE: dict[str, Any] = {
    "giccid": GICCID,
    "type": "LOCAL_STATUS",
    "original": "ACTIVATED",
    "target": "DEACTIVATED",
    "createdTime": "2018-10-10T10:32:50+0000",
    "status": "SUCCESS",
}


def page(*items: Any, number: int = 0, size: int = 100, total: int | None = None) -> dict[str, Any]:
    """A page as the contract shows it."""
    return {"data": list(items), "page": number, "size": size, "total": len(items) if total is None else total}
