"""Who sees a line stands beside what waits, so that both are counted by the index alone."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("notifications", "0009_rule_meant_by"),
    ]

    operations = [
        migrations.RemoveIndex(model_name="notification", name="notification_state"),
        migrations.AddIndex(
            model_name="notification",
            index=models.Index(
                fields=["state", "-last_at", "-id"],
                include=("rule", "snoozed_until", "account_name"),
                name="notification_state",
            ),
        ),
    ]
