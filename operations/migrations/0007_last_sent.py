"""When a change was sent last: the time at which the timeline looks for it, however long the carrier had refused it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("operations", "0006_send_sms")]

    operations = [
        migrations.AddField(
            model_name="operation",
            name="last_sent_at",
            field=models.DateTimeField(blank=True, null=True, verbose_name="last sent"),
        ),
    ]
