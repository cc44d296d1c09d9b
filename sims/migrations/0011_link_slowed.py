"""When the carrier asked to slow down, and since when it has."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("sims", "0010_carrier_link")]

    operations = [
        migrations.AddField(
            model_name="carrierlink",
            name="slowed_at",
            field=models.DateTimeField(blank=True, null=True, verbose_name="last asked to slow down"),
        ),
        migrations.AddField(
            model_name="carrierlink",
            name="slowed_since",
            field=models.DateTimeField(
                blank=True,
                help_text="The first such answer (429) after some minutes without one.",
                null=True,
                verbose_name="asked to slow down since",
            ),
        ),
    ]
