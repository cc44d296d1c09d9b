"""Puts our admin site in the place of Django's own."""

from django.contrib.admin.apps import AdminConfig


class PortalAdminConfig(AdminConfig):
    """Named in ``INSTALLED_APPS`` instead of ``django.contrib.admin``."""

    default_site = "staff.admin_site.PortalAdminSite"
