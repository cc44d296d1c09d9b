"""Messages as operations: sent once like any other, but they do not hold their SIM."""

from django.conf import settings
from django.db import migrations, models

KINDS = [
    ("activate", "Activate"),
    ("suspend", "Suspend"),
    ("retire", "Retire"),
    ("change_plan", "Change rate plan"),
    ("add_plan", "Add plan"),
    ("set_apn", "APN"),
    ("set_custom_fields", "Custom fields"),
    ("send_sms", "Send SMS"),
]


class Migration(migrations.Migration):
    dependencies = [
        ("operations", "0005_batch_plans"),
        ("sims", "0003_room_for_readings"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RemoveConstraint(model_name="operation", name="operation_one_open_per_sim"),
        migrations.RemoveIndex(model_name="operation", name="operation_sim"),
        migrations.AddField(
            model_name="operation",
            name="exclusive",
            field=models.BooleanField(
                default=True,
                help_text="Holds its SIM; a message, which changes nothing of it, does not.",
                verbose_name="exclusive",
            ),
        ),
        migrations.AlterField(
            model_name="batchjob",
            name="kind",
            field=models.CharField(choices=KINDS, max_length=20, verbose_name="kind"),
        ),
        migrations.AlterField(
            model_name="operation",
            name="kind",
            field=models.CharField(choices=KINDS, max_length=20, verbose_name="kind"),
        ),
        migrations.AlterField(
            model_name="operation",
            name="reason",
            field=models.TextField(blank=True, verbose_name="reason"),
        ),
        migrations.AddIndex(
            model_name="operation",
            index=models.Index(fields=["sim", "exclusive", "-id"], name="operation_sim"),
        ),
        migrations.AddConstraint(
            model_name="operation",
            constraint=models.UniqueConstraint(
                condition=models.Q(
                    ("exclusive", True),
                    ("state__in", ["awaiting_approval", "queued", "sending", "accepted", "unknown"]),
                ),
                fields=("sim",),
                name="operation_one_open_per_sim",
            ),
        ),
    ]
