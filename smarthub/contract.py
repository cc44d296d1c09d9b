"""The carrier's objects as Python types: the one place where wire names and their marks stand.

Attributes are snake_case, wire names camelCase. Times are aware UTC, data volumes bytes. A status or type
is plain text: compare it with the enums here, and expect values that none of them has.
"""

from decimal import Decimal
from typing import Annotated, Any

from pydantic import Field

from smarthub.enums import (
    ApnStatus,
    BatchKind,
    Billing,
    ChangeStatus,
    ChangeType,
    Effective,
    ItemStatus,
    JobStatus,
    PlanType,
    SimStatus,
    SmsStatus,
)
from smarthub.marks import Assumed, Documented, Known
from smarthub.tolerant import Count, Giccid, Page, Time, WireModel
from smarthub.values import check_giccid, format_time, is_giccid, parse_time

__all__ = [
    "CUSTOM_FIELDS",
    "Account",
    "AccountRef",
    "Apn",
    "ApnStatus",
    "BatchItem",
    "BatchJob",
    "BatchKind",
    "Billing",
    "ChangeEntry",
    "ChangeStatus",
    "ChangeType",
    "CountryStatistics",
    "CountryUse",
    "CycleUsage",
    "Effective",
    "Enterprise",
    "ItemStatus",
    "JobStatus",
    "Page",
    "Plan",
    "PlanRef",
    "PlanType",
    "Pool",
    "Session",
    "Sim",
    "SimStatus",
    "SmsAccepted",
    "SmsMessage",
    "SmsStatus",
    "Subscription",
    "check_giccid",
    "format_time",
    "is_giccid",
    "parse_time",
]

CUSTOM_FIELDS = ("custom1", "custom2", "custom3", "custom4", "custom5")

OptionalText = Annotated[str | None, Assumed()]
OptionalCount = Annotated[Count | None, Assumed()]
OptionalTime = Annotated[Time | None, Assumed()]
OptionalMoney = Annotated[Decimal | None, Assumed()]


class PlanRef(WireModel):
    """The basic rate plan of a SIM."""

    code: Annotated[str, Assumed()]
    name: OptionalText = None


class Subscription(WireModel):
    """A supplementary rate plan of a SIM. Data in bytes."""

    code: Annotated[str, Assumed()]
    subscription_id: OptionalText = None
    name: OptionalText = None
    status: OptionalText = None
    activated_time: OptionalTime = None
    expired_time: OptionalTime = None
    data_usage: OptionalCount = None
    data_quota: OptionalCount = None


class Apn(WireModel):
    """An APN of a SIM and whether the SIM may use it."""

    apn: Annotated[str, Assumed()]
    status: Annotated[str | None, Assumed(), Known(ApnStatus)] = None


class CycleUsage(WireModel):
    """Usage in the current billing cycle. Data in bytes."""

    cycle_start: OptionalTime = None
    cycle_end: OptionalTime = None
    data_usage: OptionalCount = None
    data_quota: OptionalCount = None
    sms_usage: OptionalCount = None


class Session(WireModel):
    """The last or current data session of a SIM."""

    online: Annotated[bool | None, Assumed()] = None
    last_session_time: OptionalTime = None
    country_code: OptionalText = None
    network: OptionalText = None
    rat_type: OptionalText = None
    ip_address: OptionalText = None


class Sim(WireModel):
    """A SIM. `giccid`, `account_name` and `status` are always there, all else may be None.

    None means that the carrier did not tell; an empty list means that it told there is none.
    """

    giccid: Annotated[Giccid, Assumed("documented in change entries, assumed here")]
    account_name: Annotated[str, Assumed()]
    status: Annotated[str, Assumed("ACTIVATED and DEACTIVATED are documented"), Known(SimStatus)]
    imsi: OptionalText = None
    msisdn: OptionalText = None
    imei: OptionalText = None
    activated_time: OptionalTime = None
    basic_plan: Annotated[PlanRef | None, Assumed()] = Field(None, alias="basicServicePackage")
    supplementary_plans: Annotated[list[Subscription] | None, Assumed()] = Field(
        None, alias="supplementaryServicePackages"
    )
    apns: Annotated[list[Apn] | None, Assumed()] = None
    cycle_usage: Annotated[CycleUsage | None, Assumed()] = None
    session: Annotated[Session | None, Assumed()] = None
    share_pool_code: OptionalText = None
    custom_fields: Annotated[dict[str, str | None] | None, Assumed()] = None
    updated_time: OptionalTime = None


class ChangeEntry(WireModel):
    """One entry of the change log. It has no id: `identity` tells entries apart.

    `SERVICE_PACKAGE` entries carry plan codes (assumed); an empty `original` is a new subscription.
    """

    giccid: Annotated[Giccid, Documented()]
    type: Annotated[str, Documented(), Known(ChangeType)]
    created_time: Annotated[Time, Documented()]
    original: Annotated[str | None, Documented()] = None
    target: Annotated[str | None, Documented()] = None
    status: Annotated[str | None, Documented("SUCCESS; FAILED is assumed"), Known(ChangeStatus)] = None

    @property
    def identity(self) -> tuple[str, str, str, str, str]:
        """All fields but `status`: a later reading with another status is the same change."""
        return (
            self.giccid,
            self.type,
            self.original or "",
            self.target or "",
            format_time(self.created_time),
        )


class BatchItem(WireModel):
    """One SIM of a batch job."""

    giccid: Annotated[Giccid, Assumed()]
    status: Annotated[str | None, Assumed(), Known(ItemStatus)] = None
    error_code: OptionalText = None
    error_message: OptionalText = None


class BatchJob(WireModel):
    """A batch job with one page of its items (`data`); `total`, `succeeded`, `failed` count the whole job."""

    job_id: OptionalText = None
    type: Annotated[str | None, Assumed(), Known(BatchKind)] = None
    status: Annotated[str, Assumed(), Known(JobStatus)]
    total: OptionalCount = None
    succeeded: OptionalCount = None
    failed: OptionalCount = None
    created_time: OptionalTime = None
    finished_time: OptionalTime = None
    data: Annotated[list[BatchItem] | None, Assumed()] = None
    page: OptionalCount = None
    size: OptionalCount = None

    @property
    def is_last(self) -> bool:
        """Whether no page of items follows this one."""
        sent = self.raw.get("data")
        received = len(sent) if isinstance(sent, list) else len(self.data or ())
        if not received or self.total is None:
            return not received or received < (self.size or 0)
        return ((self.page or 0) + 1) * (self.size or received) >= self.total


class SmsAccepted(WireModel):
    """The answer to a sent message. It only means that the carrier took it."""

    sms_id: Annotated[str, Assumed()] = Field(alias="smsMsgId")
    status: Annotated[str | None, Assumed("values are documented"), Known(SmsStatus)] = None


class SmsMessage(WireModel):
    """A sent message and how far it got; arrived only when `status` is `DELIVERED` (documented)."""

    sms_id: OptionalText = Field(None, alias="smsMsgId")
    to_giccid: OptionalText = None
    message_text: OptionalText = None
    status: Annotated[str | None, Assumed("values are documented"), Known(SmsStatus)] = None
    created_time: OptionalTime = None
    delivered_time: OptionalTime = None


class AccountRef(WireModel):
    """An account as the enterprise lists it."""

    name: Annotated[str, Assumed()]
    status: OptionalText = None
    sim_count: OptionalCount = None


class Enterprise(WireModel):
    """The enterprise that owns the key, with its accounts. `contact` has no known shape."""

    name: OptionalText = None
    contact: Annotated[Any, Assumed()] = None
    accounts: Annotated[list[AccountRef] | None, Assumed()] = None


class Account(WireModel):
    """Charges and SIM counts of an account; money in `currency`."""

    name: Annotated[str, Assumed()]
    status: OptionalText = None
    currency: OptionalText = None
    balance: OptionalMoney = None
    current_charge: OptionalMoney = None
    sim_count: OptionalCount = None
    status_counts: Annotated[dict[str, Count] | None, Assumed()] = None


class Plan(WireModel):
    """A rate plan that can be had. Data in bytes, price in `currency`."""

    code: Annotated[str, Assumed()]
    name: OptionalText = None
    type: Annotated[str | None, Assumed(), Known(PlanType)] = None
    billing: Annotated[str | None, Assumed(), Known(Billing)] = None
    data_quota: OptionalCount = None
    sms_quota: OptionalCount = None
    validity_days: OptionalCount = None
    price: OptionalMoney = None
    currency: OptionalText = None
    country_codes: Annotated[list[str] | None, Assumed()] = None


class Pool(WireModel):
    """A share pool. Data in bytes; `plan_code` is the wire's `servicePackageCode`."""

    code: Annotated[str, Assumed()]
    name: OptionalText = None
    account_name: OptionalText = None
    data_quota: OptionalCount = None
    data_usage: OptionalCount = None
    sim_count: OptionalCount = None
    cycle_start: OptionalTime = None
    cycle_end: OptionalTime = None
    plan_code: OptionalText = Field(None, alias="servicePackageCode")


class CountryUse(WireModel):
    """Usage of a month in one country. Data in bytes."""

    country_code: Annotated[str, Assumed()]
    data_usage: OptionalCount = None
    sim_count: OptionalCount = None


class CountryStatistics(WireModel):
    """Usage by country of one month (`YYYY-MM`)."""

    month: OptionalText = None
    data: Annotated[list[CountryUse] | None, Assumed()] = None
