"""Addresses of this app."""

from django.urls import path

from operations.views import deciding, detail, dialogs, jobs, jobs_actions, jobs_approvals, jobs_download, jobs_new
from operations.views.list import OperationList

app_name = "operations"

urlpatterns = [
    path("operations/", OperationList.as_view(), name="list"),
    path("operations/<int:pk>/", detail.detail, name="detail"),
    path("operations/<int:pk>/badge/", detail.badge, name="badge"),
    path("operations/<int:pk>/settle/", detail.settle, name="settle"),
    path("operations/<int:pk>/approve/", deciding.approve, name="approve"),
    path("operations/<int:pk>/refuse/", deciding.refuse, name="refuse"),
    path("operations/<int:pk>/cancel/", deciding.cancel, name="cancel"),
    path("operations/<int:pk>/extend/", deciding.extend, name="extend"),
    path("sims/<str:giccid>/operations/", dialogs.create, name="create"),
    path("sims/<str:giccid>/operations/now/", dialogs.of_sim, name="of_sim"),
    path("sims/<str:giccid>/operations/<str:kind>/", dialogs.dialog, name="dialog"),
    path("jobs/", jobs.JobList.as_view(), name="jobs"),
    path("jobs/new/", jobs_new.new, name="job_new"),
    path("jobs/<int:pk>/", jobs.JobPage.as_view(), name="job"),
    path("jobs/<int:pk>/live/", jobs.live, name="job_live"),
    path("jobs/<int:pk>/chunks/", jobs.chunks, name="job_chunks"),
    path("jobs/<int:pk>/badge/", jobs.badge, name="job_badge"),
    path("jobs/<int:pk>/lines.csv", jobs_download.lines_csv, name="job_csv"),
    path("jobs/<int:pk>/lines.xlsx", jobs_download.lines_xlsx, name="job_xlsx"),
    path("jobs/<int:pk>/confirm/", jobs_actions.confirm, name="job_confirm"),
    path("jobs/<int:pk>/approve/", jobs_actions.approve, name="job_approve"),
    path("jobs/<int:pk>/refuse/", jobs_actions.refuse, name="job_refuse"),
    path("jobs/<int:pk>/cancel/", jobs_actions.cancel, name="job_cancel"),
    path("jobs/<int:pk>/pause/", jobs_actions.pause, name="job_pause"),
    path("jobs/<int:pk>/resume/", jobs_actions.resume, name="job_resume"),
    path("jobs/<int:pk>/retry/", jobs_actions.retry, name="job_retry"),
    path("jobs/<int:pk>/undo/", jobs_actions.undo, name="job_undo"),
    path("jobs/<int:pk>/choose/", jobs_actions.choose, name="job_choose"),
    path("approvals/", jobs_approvals.approvals, name="approvals"),
]
