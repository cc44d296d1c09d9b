"""Settings of the tests: those of the portal in test mode, on the database that ``TEST_DATABASE`` names."""

import os

os.environ["PORTAL_MODE"] = "test"
os.environ.setdefault("SECRET_KEY", "only-for-tests-" + "x" * 40)
os.environ.setdefault("SMARTHUB_BASE_URL", "http://127.0.0.1:9/v1")
os.environ.setdefault("SMARTHUB_API_KEY", "test-key")

from smarthub_portal.settings import *  # noqa: F403
