"""The mirror's records."""

from sims.models.reference import Account, RatePlan, SharePool
from sims.models.sim import Note, Sim, Subscription
from sims.models.sync import SyncRun
from sims.models.tag import SimTag, Tag
from sims.models.timeline import TimelineEvent

__all__ = [
    "Account",
    "Note",
    "RatePlan",
    "SharePool",
    "Sim",
    "SimTag",
    "Subscription",
    "SyncRun",
    "Tag",
    "TimelineEvent",
]
