from operations.tests.fixtures import ask, carrier_sim, plans
from operations.tests.job_fixtures import carrier_sims, config, start_job

__all__ = ["ask", "carrier_sim", "carrier_sims", "config", "plans", "start_job"]
