"""Who may read and send messages, and manage templates."""

from django.db import migrations

from staff.roles import apply_roles


class Migration(migrations.Migration):
    dependencies = [("sms", "0003_sending"), ("staff", "0002_roles")]

    operations = [migrations.RunPython(apply_roles, migrations.RunPython.noop)]
