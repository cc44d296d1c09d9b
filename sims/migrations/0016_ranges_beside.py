"""The indexes of the two ranges that people filter by, quota and last session, have each other's column beside them:
both together are found without reading the SIMs.

The table of SIMs can't be written while the two are built, half a minute with a million of them.
"""

import core.expressions
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('sims', '0015_search_by_digits'),
    ]

    old_code_survives = "two indexes are replaced by ones that hold a column more"

    operations = [
        migrations.RemoveIndex(
            model_name='sim',
            name='sim_by_quota',
        ),
        migrations.RemoveIndex(
            model_name='sim',
            name='sim_by_seen',
        ),
        migrations.AddIndex(
            model_name='sim',
            index=models.Index(core.expressions.OrNone('quota_percent'), models.F('giccid'), include=('quota_percent', 'last_session_at'), name='sim_by_quota'),
        ),
        migrations.AddIndex(
            model_name='sim',
            index=models.Index(core.expressions.OrNone('last_session_at'), models.F('giccid'), include=('last_session_at', 'quota_percent'), name='sim_by_seen'),
        ),
    ]
