"""Who last said what a rule asks for, so that another administrator can be asked to allow it."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("notifications", "0008_key_before"),
    ]

    operations = [
        migrations.AddField(
            model_name="rule",
            name="meant_by",
            field=models.ForeignKey(
                blank=True,
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="who last said what it asks for",
            ),
        ),
    ]
