"""The signing key before the present one, which signs along until receivers know the new one."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("notifications", "0007_lighter_pushes")]

    operations = [
        migrations.AddField(
            model_name="forward",
            name="previous_secret",
            field=models.TextField(
                blank=True,
                default="",
                editable=False,
                help_text="Encrypted; signs along for a while.",
                verbose_name="signing key before",
            ),
        ),
        migrations.AddField(
            model_name="forward",
            name="previous_until",
            field=models.DateTimeField(
                blank=True, editable=False, null=True, verbose_name="the key before signs until"
            ),
        ),
    ]
