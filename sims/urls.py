"""Addresses of this app."""

from django.urls import path

from sims.views import accounts, detail, notes, pools, tags, usage
from sims.views.list import SimListView
from sims.views.plan_costs import plans_cost
from sims.views.plans import PlanListView, plan_page, plans_compare
from sims.views.statistics import statistics_page
from sims.views.sync import sync_page
from sims.views.timeline import TimelineListView

app_name = "sims"
urlpatterns = [
    path("sims/", SimListView.as_view(), name="list"),
    path("sims/<str:giccid>/", detail.sim_page, name="detail"),
    path("sims/<str:giccid>/timeline/", detail.sim_timeline, name="timeline"),
    path("sims/<str:giccid>/live/", detail.sim_live, name="live"),
    path("sims/<str:giccid>/usage/", usage.sim_usage, name="usage"),
    path("sims/<str:giccid>/notes/", notes.add, name="note"),
    path("sims/<str:giccid>/tags/", tags.add, name="tag_add"),
    path("sims/<str:giccid>/tags/remove/", tags.remove, name="tag_remove"),
    path("accounts/", accounts.AccountListView.as_view(), name="accounts"),
    path("accounts/<path:name>/", accounts.account_page, name="account"),
    path("pools/", pools.PoolListView.as_view(), name="pools"),
    path("pools/<path:code>/", pools.pool_page, name="pool"),
    path("statistics/", statistics_page, name="statistics"),
    path("timeline/", TimelineListView.as_view(), name="timeline_list"),
    path("plans/", PlanListView.as_view(), name="plans"),
    path("plans/compare/", plans_compare, name="plans_compare"),
    path("plans/cost/", plans_cost, name="plans_cost"),
    path("plans/<path:code>/", plan_page, name="plan"),
    path("sync/", sync_page, name="sync"),
]
