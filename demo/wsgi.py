"""The portal as the demo's web server loads it, in a process that the server started."""

from demo.processes import die_with_parent
from smarthub_portal.wsgi import application

# granian's own process may be killed so hard that it can't end the process it serves from.
die_with_parent()

__all__ = ("application",)
