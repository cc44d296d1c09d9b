"""The values that we know. Models carry plain text, so a value the carrier adds later passes through."""

from enum import StrEnum
from typing import Self


class SimStatus(StrEnum):
    """State of a SIM. `ACTIVATED` and `DEACTIVATED` are documented, the others assumed."""

    INVENTORY = "INVENTORY"
    TEST_READY = "TEST_READY"
    ACTIVATED = "ACTIVATED"
    DEACTIVATED = "DEACTIVATED"
    RETIRED = "RETIRED"


class ApnStatus(StrEnum):
    """Whether a SIM may use an APN (assumed)."""

    ENABLED = "ENABLED"
    DISABLED = "DISABLED"


class Effective(StrEnum):
    """When a plan change takes effect (assumed)."""

    NOW = "NOW"
    NEXT_CYCLE = "NEXT_CYCLE"


class ChangeType(StrEnum):
    """Kind of a change-log entry (documented)."""

    LOCAL_STATUS = "LOCAL_STATUS"
    SERVICE_PACKAGE = "SERVICE_PACKAGE"
    IMEI_CHANGE = "IMEI_CHANGE"


class ChangeStatus(StrEnum):
    """Result of a change. `SUCCESS` is documented, `FAILED` assumed."""

    SUCCESS = "SUCCESS"
    FAILED = "FAILED"


class PlanType(StrEnum):
    """Basic or supplementary rate plan (assumed)."""

    BASIC = "BASIC"
    SUPPLEMENTARY = "SUPPLEMENTARY"


class Billing(StrEnum):
    """How a rate plan is paid (assumed)."""

    POSTPAID = "POSTPAID"
    PREPAID = "PREPAID"


class BatchKind(StrEnum):
    """Kind of a batch job, as the carrier writes its `type` (assumed).

    The name of the single call (`activate`, `deactivate`, `retire`, `change_plan`) is accepted too.
    """

    ACTIVATE = "ACTIVATE"
    DEACTIVATE = "DEACTIVATE"
    RETIRE = "RETIRE"
    SERVICE_PACKAGE = "SERVICE_PACKAGE"

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        names = {
            "activate": cls.ACTIVATE,
            "deactivate": cls.DEACTIVATE,
            "retire": cls.RETIRE,
            "change_plan": cls.SERVICE_PACKAGE,
        }
        return names.get(value) if isinstance(value, str) else None


class JobStatus(StrEnum):
    """State of a batch job (assumed). `COMPLETED` also when items failed; `FAILED`: the job itself broke."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"


class ItemStatus(StrEnum):
    """State of one SIM in a batch job (assumed)."""

    PENDING = "PENDING"
    SUCCESS = "SUCCESS"
    FAILED = "FAILED"


class SmsStatus(StrEnum):
    """State of a sent message (documented). Only `DELIVERED` means that it arrived."""

    PENDING = "PENDING"
    DELIVERED = "DELIVERED"
    FAILED = "FAILED"
    UNKNOWN = "UNKNOWN"
