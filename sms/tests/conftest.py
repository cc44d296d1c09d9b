from operations.tests.fixtures import plans
from operations.tests.job_fixtures import config
from sms.tests.fixtures import active_sim, state_of, write

__all__ = ["active_sim", "config", "plans", "state_of", "write"]
