"""The four roles."""

from django.db import migrations

from staff.roles import apply_roles


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("core", "0001_initial"),
        ("notifications", "0001_initial"),
        ("operations", "0001_initial"),
        ("sims", "0001_initial"),
        ("sms", "0001_initial"),
        ("staff", "0001_initial"),
    ]

    operations = [migrations.RunPython(apply_roles, migrations.RunPython.noop)]
