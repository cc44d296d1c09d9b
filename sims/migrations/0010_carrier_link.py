"""Whether the carrier answers."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("sims", "0009_enterprise")]

    operations = [
        migrations.CreateModel(
            name="CarrierLink",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("answered_at", models.DateTimeField(blank=True, null=True, verbose_name="last answer")),
                ("failed_at", models.DateTimeField(blank=True, null=True, verbose_name="last call without an answer")),
                (
                    "failing_since",
                    models.DateTimeField(
                        blank=True,
                        help_text="The first failure after the last answer.",
                        null=True,
                        verbose_name="no answer since",
                    ),
                ),
                (
                    "problem",
                    models.CharField(
                        blank=True,
                        default="",
                        help_text="no_answer, refused_key or status 503.",
                        max_length=80,
                        verbose_name="what was wrong",
                    ),
                ),
            ],
            options={
                "verbose_name": "link to the carrier",
                "verbose_name_plural": "link to the carrier",
                "default_permissions": (),
            },
        ),
    ]
