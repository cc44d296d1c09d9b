"""The mirror's records."""

from sims.models.history import AccountHistory, CountryMonth, CountryUsage, PoolHistory
from sims.models.link import CarrierLink
from sims.models.reference import Account, Enterprise, RatePlan, SharePool
from sims.models.sim import Note, Sim, SimReading, Subscription
from sims.models.sync import SyncRun
from sims.models.tag import SimTag, Tag
from sims.models.tally import SimTally
from sims.models.timeline import TimelineEvent
from sims.models.usage import SimUsage, UsageMonth

__all__ = [
    "Account",
    "AccountHistory",
    "CarrierLink",
    "CountryMonth",
    "CountryUsage",
    "Enterprise",
    "Note",
    "PoolHistory",
    "RatePlan",
    "SharePool",
    "Sim",
    "SimReading",
    "SimTag",
    "SimTally",
    "SimUsage",
    "Subscription",
    "SyncRun",
    "Tag",
    "TimelineEvent",
    "UsageMonth",
]
