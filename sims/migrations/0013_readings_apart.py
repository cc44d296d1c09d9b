"""What the carrier said of a SIM moves into a table of its own: it was two thirds of a row that lists read by the
thousand. A digest in its place tells whether a reading says anything new; the next walk after this writes it into
every SIM."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("sims", "0012_covering_indexes")]

    operations = [
        migrations.CreateModel(
            name="SimReading",
            fields=[
                (
                    "sim",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="reading",
                        serialize=False,
                        to="sims.sim",
                        verbose_name="SIM",
                    ),
                ),
                ("raw", models.JSONField(blank=True, default=dict, verbose_name="as received")),
            ],
            options={
                "verbose_name": "reading of a SIM",
                "verbose_name_plural": "readings of SIMs",
                "default_permissions": (),
            },
        ),
        migrations.AddField(
            model_name="sim",
            name="raw_digest",
            field=models.BigIntegerField(
                default=0,
                help_text="Tells whether a reading says anything new.",
                verbose_name="digest of what was received",
            ),
        ),
        migrations.RunSQL(
            "INSERT INTO sims_simreading (sim_id, raw) SELECT id, raw FROM sims_sim",
            "UPDATE sims_sim SET raw = (SELECT raw FROM sims_simreading WHERE sim_id = id)",
        ),
        migrations.RemoveField(model_name="sim", name="raw"),
    ]
