"""Agents and above may tag SIMs."""

from django.db import migrations

from staff.roles import apply_roles


class Migration(migrations.Migration):
    dependencies = [("sims", "0004_tags"), ("staff", "0002_roles")]

    operations = [migrations.RunPython(apply_roles, migrations.RunPython.noop)]
