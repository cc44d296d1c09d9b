from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class StaffConfig(AppConfig):
    name = "staff"
    verbose_name = _("Staff")

    def ready(self) -> None:
        """Hear of sign-ins; say whose rows the file of a list may have."""
        from core import exports, links, list_exports
        from staff import events
        from staff.scopes import find_user, visible_accounts  # models are there from here on

        events.connect()
        links.lead("staff.user", links.page("admin:staff_user_change"))
        links.find_by(find_user)
        exports.register(exports.Exporter(exports.LIST, list_exports.table, visible_accounts))
