"""What the simulated carrier sells and where its SIMs roam: accounts, plans, pools, networks, devices."""

from dataclasses import dataclass

MB = 1024 * 1024
GB = 1024 * MB

STATUSES = ("INVENTORY", "TEST_READY", "ACTIVATED", "DEACTIVATED", "RETIRED")
INVENTORY, TEST_READY, ACTIVATED, DEACTIVATED, RETIRED = STATUSES

# Shares are in 256ths, because one random byte per SIM decides.
STATUS_SHARES = (18, 10, 200, 23, 5)
ACCOUNTS = ("example_account", "north_logistics", "harbour_metering", "alpine_vending", "pilot_lab")
ACCOUNT_SHARES = (64, 96, 56, 37, 3)
# The contract's own sample of a SIM.
SAMPLE_GICCID = "8986011805021000040"
SAMPLE_ACTIVATED = 1_709_259_000  # 2024-03-01T02:10:00+0000

EUROPE = ("AT", "CH", "DE", "ES", "FR", "GB", "IT", "NL", "PL", "SE")
WORLD = (*EUROPE, "BR", "CN", "JP", "US")


@dataclass(frozen=True, slots=True)
class Plan:
    """A service package as ``GET /{accountName}/servicePackages`` lists it; data in bytes."""

    code: str
    name: str
    type: str
    billing: str
    data_quota: int
    sms_quota: int
    validity_days: int | None
    price: float
    currency: str
    countries: tuple[str, ...]

    def wire(self) -> dict[str, object]:
        """The JSON object of the plan (all fields assumed)."""
        return {
            "code": self.code,
            "name": self.name,
            "type": self.type,
            "billing": self.billing,
            "dataQuota": self.data_quota,
            "smsQuota": self.sms_quota,
            "validityDays": self.validity_days,
            "price": self.price,
            "currency": self.currency,
            "countryCodes": list(self.countries),
        }


def _basic(code: str, name: str, quota: int, sms: int, price: float, where: tuple[str, ...]) -> Plan:
    return Plan(code, name, "BASIC", "POSTPAID", quota, sms, None, price, "EUR", where)


def _extra(code: str, name: str, quota: int, days: int, price: float, where: tuple[str, ...]) -> Plan:
    return Plan(code, name, "SUPPLEMENTARY", "PREPAID", quota, 0, days, price, "EUR", where)


BASIC_PLANS = (
    _basic("EU-100M-M", "Europe 100 MB monthly", 100 * MB, 20, 1.9, EUROPE),
    _basic("EU-10M-M", "Europe 10 MB monthly", 10 * MB, 10, 0.6, EUROPE),
    _basic("EU-30M-M", "Europe 30 MB monthly", 30 * MB, 10, 0.95, EUROPE),
    _basic("EU-500M-M", "Europe 500 MB monthly", 500 * MB, 50, 4.5, EUROPE),
    _basic("EU-1G-M", "Europe 1 GB monthly", GB, 50, 7.2, EUROPE),
    _basic("EU-5G-M", "Europe 5 GB monthly", 5 * GB, 100, 19.0, EUROPE),
    _basic("WORLD-10M-M", "World 10 MB monthly", 10 * MB, 10, 1.4, WORLD),
    _basic("WORLD-100M-M", "World 100 MB monthly", 100 * MB, 20, 4.9, WORLD),
    _basic("WORLD-1G-M", "World 1 GB monthly", GB, 50, 24.0, WORLD),
    _basic("CN-50M-M", "China 50 MB monthly", 50 * MB, 20, 0.9, ("CN",)),
    _basic("CN-500M-M", "China 500 MB monthly", 500 * MB, 50, 3.2, ("CN",)),
    _basic("NA-250M-M", "North America 250 MB monthly", 250 * MB, 20, 3.9, ("US",)),
)
BASIC_SHARES = (52, 28, 36, 34, 22, 6, 16, 18, 8, 14, 10, 12)
EXTRA_PLANS = (
    _extra("TOPUP-50M", "Top-up 50 MB", 50 * MB, 30, 1.2, WORLD),
    _extra("TOPUP-500M", "Top-up 500 MB", 500 * MB, 30, 6.9, WORLD),
    _extra("ROAM-WORLD-100M", "World roaming 100 MB", 100 * MB, 14, 5.9, WORLD),
    _extra("YEAR-1G", "Reserve 1 GB for a year", GB, 365, 21.0, EUROPE),
)
PLANS = {plan.code: plan for plan in (*BASIC_PLANS, *EXTRA_PLANS)}


@dataclass(frozen=True, slots=True)
class Pool:
    """A share pool: all SIMs of one account with one basic plan share its data (quota in bytes)."""

    code: str
    name: str
    account: str
    plan: str
    quota: int


POOLS = (
    Pool("EU-POOL-1", "Europe pool 1", "example_account", "EU-100M-M", 20 * GB),
    Pool("EU-POOL-2", "Europe pool 2", "example_account", "EU-500M-M", 50 * GB),
    Pool("NORTH-FLEET", "Vehicles north", "north_logistics", "EU-1G-M", 200 * GB),
    Pool("NORTH-WORLD", "Vehicles abroad", "north_logistics", "WORLD-100M-M", 40 * GB),
    Pool("METER-POOL", "Meters", "harbour_metering", "EU-10M-M", 5 * GB),
    Pool("VENDING-POOL", "Vending machines", "alpine_vending", "EU-30M-M", 10 * GB),
)
POOL_OF = {(pool.account, pool.plan): pool.code for pool in POOLS}

# Country, network (MCC and MNC), share in 256ths.
NETWORKS = (
    ("DE", "26201", 60),
    ("DE", "26202", 20),
    ("FR", "20801", 32),
    ("CN", "46001", 28),
    ("US", "310410", 18),
    ("GB", "23430", 16),
    ("NL", "20404", 14),
    ("PL", "26003", 12),
    ("IT", "22201", 12),
    ("ES", "21401", 12),
    ("AT", "23201", 10),
    ("CH", "22801", 8),
    ("SE", "24001", 6),
    ("JP", "44010", 4),
    ("BR", "72405", 4),
)
RATS = ("LTE", "LTE", "LTE", "LTE-M", "LTE-M", "NB-IOT", "UMTS", "GSM")
TACS = (35327009, 35693803, 86425004, 86688603, 35404411, 35154812, 86901205, 35808905)
APN = "iot.example"
SECOND_APN = "private.example"
SITES = ("Hamburg", "Lyon", "Rotterdam", "Vienna", "Gdansk", "Malmo", "Turin", "Bilbao", "Basel", "Leeds")
DEVICES = ("tracker", "meter", "vending machine", "router", "pump", "lift", "camera", "charger")


def share_table(shares: tuple[int, ...]) -> bytes:
    """A translation table from a random byte to an index, by shares in 256ths."""
    table = b"".join(bytes([n]) * share for n, share in enumerate(shares))
    if len(table) != 256:
        raise ValueError(f"shares add up to {len(table)}, not 256")
    return table
