"""How far people have read, and the rules that a portal begins with: an administrator changes or switches them off."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models import Q

ADMINISTRATORS = ("Administrator",)
EVERYBODY = ()

# name, kinds, severity, roles
RULES = (
    ("Data usage of the cycle", ["CYCLE_USAGE_TRACKING"], "warning", EVERYBODY),
    ("Device changed", ["IMEI_CHANGE"], "warning", EVERYBODY),
    ("No connection for a long time", ["NO_SESSION_CONNECTION"], "warning", EVERYBODY),
    (
        "Prepaid plan expires or is used up",
        ["PREPAID_SERVICE_PACKAGE_EXPIRED", "PREPAID_SERVICE_PACKAGE_TRAFFIC_TRACKING"],
        "warning",
        EVERYBODY,
    ),
    ("Operation needs attention", ["operation_needs_attention"], "critical", EVERYBODY),
    ("Batch job with failures", ["job_ended"], "warning", EVERYBODY),
    ("Pushes have stopped", ["push_silence"], "critical", ADMINISTRATORS),
    ("Push given up", ["push_dead"], "warning", ADMINISTRATORS),
    ("Rule held back", ["rule_limit"], "warning", ADMINISTRATORS),
    ("Sync failed", ["sync_failed"], "critical", ADMINISTRATORS),
)


def make(apps, schema_editor):
    """Once: a rule of that name that is there already is left as it is."""
    rule_model = apps.get_model("notifications", "Rule")
    group_model = apps.get_model("auth", "Group")
    for name, kinds, severity, roles in RULES:
        rule, created = rule_model.objects.get_or_create(
            name=name, defaults={"kinds": kinds, "severity": severity, "active": True}
        )
        if created:
            rule.roles.set([group_model.objects.get_or_create(name=role)[0] for role in roles])


class Migration(migrations.Migration):
    dependencies = [
        ("notifications", "0005_deliveries"),
        ("staff", "0003_notification_roles"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="ReadUpTo",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField(verbose_name="read up to")),
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "verbose_name": "read up to",
                "verbose_name_plural": "read up to",
                "default_permissions": (),
            },
        ),
        migrations.AddIndex(
            model_name="notification",
            index=models.Index(
                condition=Q(("snoozed_until__isnull", False)),
                fields=["state", "snoozed_until"],
                name="notification_snoozed",
            ),
        ),
        migrations.AddIndex(
            model_name="notification",
            index=models.Index(
                condition=Q(("closed_at__isnull", False)), fields=["closed_at"], name="notification_closed"
            ),
        ),
        migrations.RunPython(make, migrations.RunPython.noop),
    ]
