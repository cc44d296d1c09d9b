"""What exactly was allowed to a rule, which operations went without approval, and how often rules fire."""

from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("notifications", "0002_notifications")]

    operations = [
        migrations.AddField(
            model_name="rule",
            name="automatic_digest",
            field=models.CharField(
                blank=True,
                default="",
                editable=False,
                help_text="Digest of conditions and operation: allowed is what was read, and nothing else.",
                max_length=64,
                verbose_name="what was allowed",
            ),
        ),
        migrations.AddField(
            model_name="notificationitem",
            name="automatic",
            field=models.BooleanField(default=False, verbose_name="sent without approval"),
        ),
        migrations.AddIndex(
            model_name="notificationitem",
            index=models.Index(fields=["rule", "-at"], name="item_rule_at"),
        ),
        migrations.AddIndex(
            model_name="notificationitem",
            index=models.Index(condition=Q(automatic=True), fields=["rule", "-id"], name="item_automatic"),
        ),
    ]
