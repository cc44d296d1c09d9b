"""The roles may see and make batch jobs."""

from django.db import migrations

from staff.roles import apply_roles


class Migration(migrations.Migration):
    dependencies = [("operations", "0003_batch_jobs"), ("staff", "0002_roles")]

    operations = [migrations.RunPython(apply_roles, migrations.RunPython.noop)]
