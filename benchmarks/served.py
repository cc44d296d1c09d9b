"""The portal and its references as a web server loads them."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "smarthub_portal.settings")

from django.conf import settings
from django.core.wsgi import get_wsgi_application

from demo.processes import die_with_parent

settings.ROOT_URLCONF = "benchmarks.reference"
application = get_wsgi_application()
die_with_parent()
