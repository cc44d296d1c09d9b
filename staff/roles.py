"""The four roles: Django groups with permissions, made by migrations (design, section 6)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

VIEWER, AGENT, SUPERVISOR, ADMINISTRATOR = "Viewer", "Agent", "Supervisor", "Administrator"

_VIEWER = {
    "sims.view_sim",
    "sims.view_account",
    "sims.view_rateplan",
    "sims.view_sharepool",
    "sims.view_timelineevent",
    "sims.view_note",
    "sims.view_syncrun",
    "operations.view_operation",
    "operations.view_batchjob",
    "notifications.view_notification",
    "sms.view_message",
}
_AGENT = _VIEWER | {
    "operations.change_sim_state",
    "operations.change_sim_settings",
    "operations.run_batch_job",
    "sims.add_note",
    "sims.tag_sim",
    "notifications.handle_notification",
    "sms.send_message",
}
_SUPERVISOR = _AGENT | {"operations.retire_sim", "operations.approve_operation", "sms.manage_templates"}
_ADMINISTRATOR = _SUPERVISOR | {
    "sims.run_sync",
    "core.view_auditentry",
    "staff.add_user",
    "staff.change_user",
    "staff.view_user",
    "staff.add_accountscope",
    "staff.change_accountscope",
    "staff.delete_accountscope",
    "staff.view_accountscope",
    "auth.view_group",
    "sims.view_subscription",
    "operations.view_operationattempt",
    "notifications.view_push",
    "notifications.replay_push",
    "notifications.view_pushsource",
    "notifications.add_pushsource",
    "notifications.change_pushsource",
    "notifications.view_rule",
    "notifications.add_rule",
    "notifications.change_rule",
    "notifications.delete_rule",
    "notifications.allow_automatic_rule",
    "notifications.view_forward",
    "notifications.add_forward",
    "notifications.change_forward",
    "notifications.delete_forward",
    "notifications.view_delivery",
    "notifications.resend_delivery",
}

ROLES: dict[str, frozenset[str]] = {
    VIEWER: frozenset(_VIEWER),
    AGENT: frozenset(_AGENT),
    SUPERVISOR: frozenset(_SUPERVISOR),
    ADMINISTRATOR: frozenset(_ADMINISTRATOR),
}

BEYOND_ACCOUNTS = frozenset(
    {
        "sims.run_sync",
        "sms.manage_templates",
        "staff.add_user",
        "staff.change_user",
        "staff.view_user",
        "staff.add_accountscope",
        "staff.change_accountscope",
        "staff.delete_accountscope",
        "staff.view_accountscope",
        "notifications.view_pushsource",
        "notifications.add_pushsource",
        "notifications.change_pushsource",
        "notifications.view_forward",
        "notifications.add_forward",
        "notifications.change_forward",
        "notifications.delete_forward",
    }
)
"""What belongs to no single carrier account: users, the sync, push sources, webhooks, templates. Whatever the role,
these permissions count only for who sees all accounts (:attr:`staff.models.User.grants`)."""


def highest_role(names: Iterable[str]) -> str:
    """The role that reaches furthest among ``names`` of groups; empty when none of them is a role."""
    held = set(names)
    return next((role for role in reversed(ROLES) if role in held), "")


def apply_roles(apps: Any, schema_editor: Any) -> None:
    """For a migration's ``RunPython``: make the groups hold exactly :data:`ROLES`, as far as the models exist.

    Permissions are made here when Django's own post-migrate step has not come to them yet.
    """
    from django.apps import apps as live_apps
    from django.contrib.auth.management import create_permissions

    for app_config in live_apps.get_app_configs():
        if app_config.models_module and app_config.label in {p.split(".")[0] for p in _ADMINISTRATOR}:
            create_permissions(app_config, verbosity=0, apps=apps, using=schema_editor.connection.alias)
    group_model = apps.get_model("auth", "Group")
    permission_model = apps.get_model("auth", "Permission")
    for role, names in ROLES.items():
        group, _ = group_model.objects.get_or_create(name=role)
        wanted = [
            permission
            for permission in permission_model.objects.select_related("content_type").all()
            if f"{permission.content_type.app_label}.{permission.codename}" in names
        ]
        group.permissions.set(wanted)
