"""The roles may see and handle notifications, and administrators set up what makes them."""

from django.db import migrations

from staff.roles import apply_roles


class Migration(migrations.Migration):
    dependencies = [("notifications", "0002_notifications"), ("staff", "0002_roles")]

    operations = [migrations.RunPython(apply_roles, migrations.RunPython.noop)]
