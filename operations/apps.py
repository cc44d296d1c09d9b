from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class OperationsConfig(AppConfig):
    name = "operations"
    verbose_name = _("Operations")

    def ready(self) -> None:
        """Fill this app's places on other pages."""
        from core import facts
        from core import gauges as metrics
        from core.exports import register
        from core.links import find_by, lead, page, tell
        from core.slots import fill
        from operations import dashboard, gauges, selectors, selectors_jobs, slots  # models are there from here on
        from operations.exports import EXPORTER
        from operations.views.pages import OF_SIM, UNCLEAR

        facts.register(slots.WAITING_JOBS, slots.waiting_jobs)
        facts.register(slots.WAITING_OPERATIONS, slots.waiting_operations)
        facts.register(OF_SIM, slots.of_sim, place=facts.SIM)
        facts.register(UNCLEAR, slots.unclear, place=facts.SIM)
        fill("sims.detail.actions", slots.actions)
        fill("sims.detail.operations", slots.operations)
        fill("sims.detail.version", slots.version)
        fill("sims.plan.actions", slots.plan_actions)
        fill("lists.selection", slots.selection)
        fill("navigation.after_operations", slots.approvals_entry)
        fill("live.badges", slots.approvals_badge)
        dashboard.register()
        metrics.register("operations", gauges.operations)
        register(EXPORTER)
        tell("job", selectors_jobs.visible_jobs)
        lead("operations.operation", page("operations:detail"))
        lead("operations.batchjob", page("operations:job"))
        find_by(selectors.find_operations)
