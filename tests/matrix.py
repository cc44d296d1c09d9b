"""Who may do what: every address of the portal, and what each role is answered there.

This is written by reading the roles (README, ``staff/roles.py``) and not by asking the code, so that the two can
disagree; ``tests/test_matrix.py`` goes through all of it. An address without a row fails that test: a new page begins
here. A row reads: the lowest role that may, what it is answered, and ``of`` what record the address is.

Whoever may not is answered 403, whoever is not signed in is sent to the sign-in, and what belongs to accounts that one
does not see is a 404. Every method that a row does not name is a 405.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

SIGNED_IN, VIEWER, AGENT, SUPERVISOR, ADMINISTRATOR = range(5)
"""Roles in order; the first is somebody without any."""

ACTORS = {
    "anonymous": -1,
    "nobody": SIGNED_IN,
    "viewer": VIEWER,
    "agent": AGENT,
    "supervisor": SUPERVISOR,
    "administrator": ADMINISTRATOR,
    # Administrators both: of the account that all records here belong to, and of another one.
    "limited": ADMINISTRATOR,
    "outsider": ADMINISTRATOR,
}

OF_ACCOUNT = frozenset(
    ["account", "audit", "delivery", "job", "line", "operation", "plan", "pool", "push", "rule", "sim", "wish"]
)
"""Records that belong to an account (``wish``: an operation that waits for approval). The others (``template``,
``source``, …) belong to the portal as a whole."""


@dataclass(frozen=True)
class Right:
    """One method of an address."""

    least: int
    status: int
    """The answer to a page's request of somebody who may, with next to nothing in the form where it has one."""
    of: str = ""
    htmx: int = 0
    """The answer to htmx, where it is another."""
    beyond: bool = False
    """It reaches beyond single accounts, so who is limited to some may not, whatever the role."""
    public: int = 0
    """The answer to somebody who is not signed in, where it is not the sign-in."""
    but: Mapping[str, int] = field(default_factory=dict)
    """Actors who are answered otherwise (``viewer``, or ``viewer htmx``), for the reason that stands beside the row."""


Rights = dict[str, Right]


def see(least: int, status: int = 200, **more: object) -> Rights:
    """GET and HEAD."""
    return {"GET": Right(least, status, **more)}  # type: ignore[arg-type]  # checked by the dataclass


def do(least: int, status: int = 303, **more: object) -> Rights:
    """POST."""
    return {"POST": Right(least, status, **more)}  # type: ignore[arg-type]  # checked by the dataclass


def a_list(least: int, of: str = "") -> Rights:
    """A list of what one may see; its POST keeps the choice of columns, each for oneself."""
    return see(least, of=of) | do(least, 303, of=of)


MAKER = {"supervisor": 403, "administrator": 403, "limited": 403}
"""What waits was made by the agent: nobody else confirms it."""
OWN = {"viewer": 404, "agent": 404, "supervisor": 404, "nobody": 404, "limited": 404, "outsider": 404}
"""Files are for who had them made, here the administrator."""

TABLE: dict[str, Rights] = {
    # For everybody: machines that watch, the carrier with its token, the sign-in.
    "csp_reports": do(SIGNED_IN, 204, public=204),  # from browsers, whoever is in front of them
    "healthz": see(SIGNED_IN, public=200),
    "readyz": see(SIGNED_IN, 503, public=503),  # no worker is alive here
    "metrics": see(SIGNED_IN, public=200),  # from loopback; else METRICS_TOKEN
    "notifications:webhook": do(SIGNED_IN, 400, of="token", public=400),  # not JSON
    "notifications:webhook_kind": do(SIGNED_IN, 400, of="token", public=400),
    "staff:login": see(SIGNED_IN, 302, public=200) | do(SIGNED_IN, 302, public=200),
    "staff:code": see(SIGNED_IN, 302, htmx=204) | do(SIGNED_IN, 302, htmx=204),  # nobody's is awaited
    "staff:sso": see(SIGNED_IN, 404, public=404),  # no provider is set up here
    "staff:sso_callback": see(SIGNED_IN, 404, public=404),
    # For everybody who is signed in: themselves.
    "home": see(SIGNED_IN, but={"nobody htmx": 204}),  # for whom nothing changes
    "live": see(SIGNED_IN),
    "exports": see(SIGNED_IN),
    "export_file": see(SIGNED_IN, of="export", but=OWN),
    "export_remove": do(SIGNED_IN, 302, of="export", but=OWN),
    "staff:logout": do(SIGNED_IN, 302, htmx=204),
    "staff:profile": see(SIGNED_IN) | do(SIGNED_IN, 422),
    "staff:password": see(SIGNED_IN) | do(SIGNED_IN, 422),
    "staff:theme": do(SIGNED_IN, 302),
    "staff:end_sessions": do(SIGNED_IN, 302),
    "staff:confirm": see(SIGNED_IN) | do(SIGNED_IN, 422),
    "staff:confirm_sso": see(SIGNED_IN, 404),
    "staff:go_on": see(SIGNED_IN, 302, of="word"),
    "staff:second_factor": see(SIGNED_IN),
    "staff:second_factor_setup": see(SIGNED_IN) | do(SIGNED_IN, 422),
    "staff:recovery_codes": do(SIGNED_IN, 302),  # none is set up
    "staff:second_factor_remove": do(SIGNED_IN, 302),
    # The audit trail: of their accounts, for administrators.
    "staff:audit": a_list(ADMINISTRATOR),
    "staff:audit_entry": see(ADMINISTRATOR, of="audit"),
    "staff:audit_record": see(ADMINISTRATOR, 302, of="audit"),
    # The mirror: everybody reads, agents write notes and tags, who sees all starts a walk of all.
    "sims:list": a_list(VIEWER),
    "sims:detail": see(VIEWER, of="sim"),
    "sims:timeline": see(VIEWER, of="sim"),
    "sims:live": see(VIEWER, of="sim"),
    "sims:usage": see(VIEWER, of="sim"),
    "sims:note": do(AGENT, 422, of="sim"),
    "sims:tag_add": do(AGENT, 422, of="sim"),
    "sims:tag_remove": do(AGENT, 303, htmx=200, of="sim"),
    "sims:accounts": a_list(VIEWER),
    "sims:account": see(VIEWER, of="account"),
    "sims:pools": a_list(VIEWER),
    "sims:pool": see(VIEWER, of="pool"),
    "sims:statistics": see(VIEWER),
    "sims:timeline_list": a_list(VIEWER),
    "sims:plans": a_list(VIEWER),
    "sims:plans_compare": see(VIEWER),
    "sims:plans_cost": see(VIEWER) | do(VIEWER, 404),
    "sims:plan": see(VIEWER, of="plan"),
    "sims:sync": see(VIEWER) | do(ADMINISTRATOR, 422, beyond=True),
    # Single operations: agents ask, supervisors decide what others asked for.
    "operations:list": a_list(VIEWER),
    "operations:detail": see(VIEWER, htmx=286, of="operation"),
    "operations:badge": see(VIEWER, 286, of="operation"),
    "operations:settle": do(AGENT, 422, of="operation"),
    "operations:approve": do(SUPERVISOR, 303, of="wish"),
    "operations:refuse": do(SUPERVISOR, 303, of="wish"),
    "operations:cancel": do(AGENT, 303, of="wish", but=MAKER),
    "operations:extend": do(SUPERVISOR, 409, of="wish", but={"agent": 409}),  # made by the agent; waits for no sending
    "operations:create": do(AGENT, 422, of="sim"),
    "operations:of_sim": see(VIEWER, of="sim"),
    "operations:dialog": see(AGENT, of="sim"),
    "operations:approvals": see(SUPERVISOR),
    # Batch jobs: agents make and steer their own, supervisors decide, and steer those of others.
    "operations:jobs": a_list(VIEWER),
    "operations:job_new": see(AGENT) | do(AGENT, 422),
    "operations:job": a_list(VIEWER, of="job"),
    "operations:job_live": see(VIEWER, of="job"),
    "operations:job_chunks": see(VIEWER, of="job"),
    "operations:job_badge": see(VIEWER, of="job"),
    "operations:job_csv": see(VIEWER, of="job"),
    "operations:job_xlsx": see(VIEWER, of="job") | do(VIEWER, 303, of="job"),
    "operations:job_confirm": do(AGENT, 303, of="job", but=MAKER),
    "operations:job_approve": do(SUPERVISOR, 409, of="job"),  # it waits for nobody
    "operations:job_refuse": do(SUPERVISOR, 409, of="job"),
    "operations:job_cancel": do(AGENT, 303, of="job"),
    "operations:job_pause": do(AGENT, 409, of="job"),  # it does not run
    "operations:job_resume": do(AGENT, 409, of="job"),
    "operations:job_retry": do(AGENT, 409, of="job"),
    "operations:job_undo": do(AGENT, 409, of="job"),
    "operations:job_choose": see(VIEWER, 404, of="job") | do(VIEWER, 404, of="job"),  # no line is ambiguous
    # Messages: everybody reads, agents send, templates are everybody's and so for who sees everybody.
    "sms:list": a_list(VIEWER),
    "sms:job": see(VIEWER, of="job"),
    "sms:conversation": see(VIEWER, of="sim"),
    "sms:live": see(VIEWER, of="sim"),
    "sms:compose": see(AGENT, of="sim") | do(AGENT, 422, of="sim"),
    "sms:count": do(AGENT, 200, of="sim"),
    "sms:text": see(AGENT, of="sim"),
    "sms:templates": see(AGENT),
    "sms:template_text": see(AGENT),
    "sms:template_new": see(SUPERVISOR, beyond=True) | do(SUPERVISOR, 422, beyond=True),
    "sms:template": see(SUPERVISOR, of="template", beyond=True) | do(SUPERVISOR, 422, of="template", beyond=True),
    "sms:template_delete": do(SUPERVISOR, 303, of="template", beyond=True),
    # Notifications: everybody reads, agents handle.
    "notifications:centre": a_list(VIEWER),
    "notifications:line": see(VIEWER, of="line"),
    "notifications:read_all": do(VIEWER),
    "notifications:act": see(AGENT, of="line") | do(AGENT, 422, of="line"),
    # The inbox: pushes of their accounts, for administrators; sources and their secrets, for who sees all.
    "notifications:pushes": a_list(ADMINISTRATOR),
    "notifications:push": see(ADMINISTRATOR, of="push"),
    "notifications:replay": do(ADMINISTRATOR, 303, of="push"),
    "notifications:replay_all": see(ADMINISTRATOR) | do(ADMINISTRATOR, 303, htmx=200),
    "notifications:sources": see(ADMINISTRATOR, beyond=True),
    "notifications:source_new": see(ADMINISTRATOR, beyond=True) | do(ADMINISTRATOR, 422, beyond=True),
    "notifications:source": see(ADMINISTRATOR, of="source", beyond=True)
    | do(ADMINISTRATOR, 422, of="source", beyond=True),
    "notifications:source_rotate": do(ADMINISTRATOR, 422, of="source", beyond=True),
    "notifications:source_end_previous": do(ADMINISTRATOR, 303, of="source", beyond=True),
    "notifications:source_key": do(ADMINISTRATOR, 422, of="source", beyond=True),
    # Rules of their accounts, for administrators; webhooks, for who sees all; what was sent of their accounts.
    "notifications:rules": a_list(ADMINISTRATOR),
    "notifications:rule_new": see(ADMINISTRATOR) | do(ADMINISTRATOR, 422),
    "notifications:rule_sentence": do(ADMINISTRATOR, 200),
    "notifications:rule": see(ADMINISTRATOR, of="rule"),
    "notifications:rule_edit": see(ADMINISTRATOR, of="rule") | do(ADMINISTRATOR, 422, of="rule"),
    "notifications:rule_trial": see(ADMINISTRATOR, of="rule"),
    "notifications:rule_switch": do(ADMINISTRATOR, 303, of="rule"),
    "notifications:rule_allow": do(ADMINISTRATOR, 303, of="rule"),
    "notifications:rule_delete": do(ADMINISTRATOR, 303, of="rule"),
    "notifications:forwards": see(ADMINISTRATOR, beyond=True),
    "notifications:forward_new": see(ADMINISTRATOR, beyond=True) | do(ADMINISTRATOR, 422, beyond=True),
    "notifications:forward": see(ADMINISTRATOR, of="forward", beyond=True)
    | do(ADMINISTRATOR, 422, of="forward", beyond=True),
    "notifications:forward_key": do(ADMINISTRATOR, 200, of="forward", beyond=True),
    "notifications:forward_end_key": do(ADMINISTRATOR, 303, of="forward", beyond=True),
    "notifications:forward_test": do(ADMINISTRATOR, 303, of="forward", beyond=True),
    "notifications:forward_delete": see(ADMINISTRATOR, of="forward", beyond=True)
    | do(ADMINISTRATOR, 303, of="forward", beyond=True),
    "notifications:deliveries": a_list(ADMINISTRATOR),
    "notifications:delivery": see(ADMINISTRATOR, htmx=286, of="delivery"),
    "notifications:delivery_resend": do(ADMINISTRATOR, 303, of="delivery"),
}


def _admin(least: int, get: int = 200, post: int = 403, of: str = "") -> Rights:
    """A page of the admin site, which is for administrators who see all accounts."""
    return see(least, get, of=of, beyond=True) | (do(least, post, of=of, beyond=True) if post != 405 else {})


NEVER = ADMINISTRATOR + 1


def _model(name: str, *, add: int = 403, change: int = 403, least: int = ADMINISTRATOR) -> dict[str, Rights]:
    """The pages of one model: to read; a form that is sent is answered ``add`` and ``change``. Nothing is deleted."""
    return {
        f"admin:{name}_changelist": _admin(least, post=200),  # no action is chosen, so the list again
        f"admin:{name}_add": _admin(least if add == 200 else NEVER, post=add),
        f"admin:{name}_change": _admin(least, post=change, of=name),
        f"admin:{name}_history": _admin(least, post=200, of=name),
        f"admin:{name}_delete": _admin(NEVER, of=name),
        f"admin:{name}": _admin(ADMINISTRATOR, 302, 302, of=name),  # on to its change page
    }


TABLE |= {
    "admin:index": _admin(ADMINISTRATOR, post=200),
    "admin:app_list": _admin(ADMINISTRATOR, post=200, of="app"),
    "admin:login": _admin(ADMINISTRATOR, 302, 302),
    "admin:logout": do(ADMINISTRATOR, 302, beyond=True),
    "admin:password_change": _admin(ADMINISTRATOR, 302, 302),
    "admin:password_change_done": _admin(ADMINISTRATOR, post=405),
    "admin:autocomplete": _admin(NEVER, post=405),
    "admin:jsi18n": _admin(ADMINISTRATOR, post=405),
    "admin:view_on_site": _admin(ADMINISTRATOR, 404, 404, of="content"),
    "admin:other": _admin(ADMINISTRATOR, 404, 404, of="url"),
    "admin:auth_user_password_change": _admin(ADMINISTRATOR, post=200, of="staff_user"),
    **_model("staff_user", add=200, change=200),
    **_model("sms_message"),
    **_model("operations_operation"),
    **_model("sims_sim"),
    **_model("sims_subscription"),
    **_model("sims_timelineevent"),
    **_model("sims_note"),
    **_model("sims_account"),
    **_model("sims_rateplan"),
    **_model("sims_sharepool"),
    **_model("sims_enterprise"),
    **_model("sims_accounthistory"),
    **_model("sims_poolhistory"),
    **_model("sims_countrymonth"),
    **_model("sims_countryusage"),
    **_model("sims_syncrun"),
    # Failed sign-ins are for a superuser, whom only the command line makes.
    **_model("axes_accessattempt", least=NEVER),
    **_model("axes_accesslog", least=NEVER),
    **_model("axes_accessfailurelog", least=NEVER),
}
