from django.apps import AppConfig
from django.urls import reverse
from django.utils.translation import gettext_lazy as _


class SimsConfig(AppConfig):
    name = "sims"
    verbose_name = _("SIM cards")

    def ready(self) -> None:
        """Say which pushes this app acts on, and what it can write in the background; fill the dashboard."""
        from core import facts, links
        from core.exports import register
        from sims import banner, dashboard, exports_costs, gauges, records, run_files  # models are there from here on
        from sims.selectors import detail
        from sims.services import push_handlers

        push_handlers.register()
        dashboard.register()
        gauges.register()
        banner.register()
        for name, question in detail.QUESTIONS.items():
            facts.register(name, question, place=facts.SIM)
        links.lead("sims.sim", records.sim_page)
        links.lead("sims.syncrun", lambda _key: reverse("sims:sync"))
        links.find_by(records.find_sim)
        register(exports_costs.EXPORTER)
        register(run_files.EXPORTER)
