"""Batch jobs: many SIMs, one change.

A job's changes are operations like any other, so the rule of one open operation a SIM holds for jobs, too.
"""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from operations.models.operation import Operation


class BatchJob(models.Model):
    """One change of many SIMs: a plan first, then the operations that came of it."""

    class State(models.TextChoices):
        PLANNED = "planned", _("Planned")
        AWAITING_APPROVAL = "awaiting_approval", _("Awaiting approval")
        SCHEDULED = "scheduled", _("Scheduled")
        RUNNING = "running", _("Running")
        PAUSED = "paused", _("Paused")
        DONE = "done", _("Done")
        DONE_WITH_FAILURES = "done_with_failures", _("Done with failures")
        FAILED = "failed", _("Failed")
        CANCELLED = "cancelled", _("Cancelled")

    FINAL_STATES = (State.DONE, State.DONE_WITH_FAILURES, State.FAILED, State.CANCELLED)

    class Source(models.TextChoices):
        TICKED = "ticked", _("Ticked rows")
        FILTER = "filter", _("All that match")
        TEXT = "text", _("Pasted text")
        FILE = "file", _("File")
        RETRY = "retry", _("Failed ones of a job")
        UNDO = "undo", _("Undo of a job")

    kind = models.CharField(_("kind"), max_length=20, choices=Operation.Kind.choices)
    params = models.JSONField(_("parameters"), default=dict, blank=True)
    state = models.CharField(_("state"), max_length=20, choices=State.choices, default=State.PLANNED)
    source = models.CharField(_("chosen by"), max_length=10, choices=Source.choices)
    selection = models.CharField(
        _("choice"), max_length=2000, blank=True, default="", help_text=_("The list's query, or the file's name.")
    )
    parent = models.ForeignKey(
        "self", verbose_name=_("follows"), null=True, blank=True, on_delete=models.PROTECT, related_name="followers"
    )
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("who"), on_delete=models.PROTECT, related_name="+"
    )
    reason = models.TextField(_("reason"), blank=True, default="")
    ticket = models.CharField(_("ticket"), max_length=60, blank=True, default="")
    nonce = models.CharField(_("form"), max_length=36, null=True, blank=True, unique=True)
    request_id = models.CharField(_("request id"), max_length=36, blank=True, default="")

    created_at = models.DateTimeField(_("made"), default=timezone.now)
    planned_at = models.DateTimeField(
        _("checked"), null=True, blank=True, help_text=_("Empty while the plan is being made.")
    )
    confirmed_at = models.DateTimeField(_("confirmed"), null=True, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("decided by"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
    )
    decided_at = models.DateTimeField(_("decided"), null=True, blank=True)
    decision_reason = models.TextField(_("reason of the decision"), blank=True, default="")
    approval_lapses_at = models.DateTimeField(_("approval lapses"), null=True, blank=True)
    scheduled_for = models.DateTimeField(_("to start at"), null=True, blank=True)
    started_at = models.DateTimeField(_("started"), null=True, blank=True)
    held_at = models.DateTimeField(
        _("SIMs held"), null=True, blank=True, help_text=_("When every SIM had its operation.")
    )
    cancelled_at = models.DateTimeField(
        _("cancelled"), null=True, blank=True, help_text=_("From then on nothing more of it is sent.")
    )
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)
    next_step_at = models.DateTimeField(_("next step"), null=True, blank=True)
    lease_until = models.DateTimeField(_("claimed until"), null=True, blank=True)

    lines = models.IntegerField(_("lines"), default=0)
    eligible = models.IntegerField(_("eligible"), default=0)
    refused = models.IntegerField(_("refused"), default=0)
    pending = models.IntegerField(_("pending"), default=0)
    succeeded = models.IntegerField(_("succeeded"), default=0)
    failed = models.IntegerField(_("failed"), default=0)
    unknown = models.IntegerField(_("unknown"), default=0)
    cost_before = models.JSONField(_("monthly cost before, by currency"), default=dict, blank=True)
    cost_after = models.JSONField(_("monthly cost after, by currency"), default=dict, blank=True)
    message = models.TextField(_("message"), blank=True, default="")

    class Meta:
        verbose_name = _("batch job")
        verbose_name_plural = _("batch jobs")
        default_permissions = ("view",)
        permissions = [("run_batch_job", _("Can make batch jobs"))]
        indexes = [
            models.Index(fields=["state", "-id"], name="job_state"),
            models.Index(fields=["actor", "-id"], name="job_actor"),
            models.Index(fields=["kind", "-id"], name="job_kind"),
            models.Index(fields=["next_step_at"], condition=Q(next_step_at__isnull=False), name="job_due"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} job #{self.pk}"


class BatchAccount(models.Model):
    """A carrier account that a job touches: who may not see one of them does not see the job."""

    job = models.ForeignKey(BatchJob, verbose_name=_("job"), on_delete=models.CASCADE, related_name="accounts")
    account_name = models.CharField(_("account"), max_length=120)

    class Meta:
        verbose_name = _("account of a job")
        verbose_name_plural = _("accounts of jobs")
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["job", "account_name"], name="job_account_once")]

    def __str__(self) -> str:
        return self.account_name


class BatchChunk(models.Model):
    """One batch job at the carrier: at most so many SIMs as it takes at once."""

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        SUBMITTING = "submitting", _("Submitting")
        SUBMITTED = "submitted", _("Submitted")
        UNKNOWN = "unknown", _("Checking")
        DONE = "done", _("Done")

    job = models.ForeignKey(BatchJob, verbose_name=_("job"), on_delete=models.CASCADE, related_name="chunks")
    number = models.IntegerField(_("number"))
    state = models.CharField(_("state"), max_length=12, choices=State.choices, default=State.WAITING)
    size = models.IntegerField(_("SIMs"))
    carrier_job_id = models.CharField(_("carrier's job"), max_length=120, blank=True, default="")
    submits = models.IntegerField(_("times submitted"), default=0)
    polls = models.IntegerField(_("times polled"), default=0)
    submitted_at = models.DateTimeField(_("submitted"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)
    next_step_at = models.DateTimeField(_("next step"), null=True, blank=True)
    lease_until = models.DateTimeField(_("claimed until"), null=True, blank=True)
    message = models.TextField(_("message"), blank=True, default="")

    class Meta:
        verbose_name = _("chunk of a job")
        verbose_name_plural = _("chunks of jobs")
        default_permissions = ("view",)
        constraints = [models.UniqueConstraint(fields=["job", "number"], name="chunk_number_once")]
        indexes = [models.Index(fields=["next_step_at"], condition=Q(next_step_at__isnull=False), name="chunk_due")]

    def __str__(self) -> str:
        return f"{self.job_id}/{self.number}"


class BatchLine(models.Model):
    """One line of what was chosen, what SIM it means, and whether the job changes it."""

    class Outcome(models.TextChoices):
        FOUND = "found", _("Found")
        REPAIRED = "repaired", _("Found after repair")
        AMBIGUOUS = "ambiguous", _("Ambiguous")
        NOT_FOUND = "not_found", _("Not found")
        DUPLICATE = "duplicate", _("Named before")

    job = models.ForeignKey(
        BatchJob, verbose_name=_("job"), on_delete=models.CASCADE, related_name="plan_lines", db_index=False
    )
    number = models.IntegerField(_("line"))
    text = models.CharField(_("as given"), max_length=200, blank=True, default="")
    outcome = models.CharField(_("outcome"), max_length=10, choices=Outcome.choices)
    note = models.CharField(
        _("note"), max_length=300, blank=True, default="", help_text=_("What was repaired, or why not found.")
    )
    candidates = models.JSONField(
        _("candidates"), default=list, blank=True, help_text=_("giccids of an ambiguous line.")
    )
    sim = models.ForeignKey(
        "sims.Sim",
        verbose_name=_("SIM"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
    )
    eligible = models.BooleanField(_("eligible"), default=False)
    refusal_code = models.CharField(
        _("refused because"),
        max_length=40,
        blank=True,
        default="",
        help_text=_("state, already_so, open_operation, permission, missing, plan, changed_since, cancelled."),
    )
    refusal = models.CharField(_("sentence"), max_length=300, blank=True, default="")
    params = models.JSONField(
        _("parameters"), default=dict, blank=True, help_text=_("Its own ones; empty: those of the job.")
    )
    from_value = models.CharField(_("from"), max_length=250, blank=True, default="")
    to_value = models.CharField(_("to"), max_length=250, blank=True, default="")
    operation = models.ForeignKey(
        Operation, verbose_name=_("operation"), null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        verbose_name = _("line of a plan")
        verbose_name_plural = _("lines of plans")
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["job", "number"], name="line_number_once")]
        indexes = [models.Index(fields=["job", "eligible", "number"], name="line_eligible")]

    def __str__(self) -> str:
        return f"{self.job_id}:{self.number}"


class BatchInput(models.Model):
    """What was chosen for a plan that a task will make; gone once the plan is made."""

    job = models.OneToOneField(BatchJob, verbose_name=_("job"), on_delete=models.CASCADE, related_name="input")
    lines = models.JSONField(_("lines"), default=list)

    class Meta:
        verbose_name = _("input of a job")
        verbose_name_plural = _("inputs of jobs")
        default_permissions = ()

    def __str__(self) -> str:
        return f"input of {self.job_id}"
