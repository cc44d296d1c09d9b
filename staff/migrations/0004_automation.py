"""The user in whose name rules ask for changes."""

from typing import Any

from django.db import migrations

from staff.automation import make_automation


def make(apps: Any, schema_editor: Any) -> None:
    """The permissions are there: ``0002_roles`` made them."""
    make_automation(apps.get_model("staff", "User"), apps.get_model("auth", "Permission"))


class Migration(migrations.Migration):
    dependencies = [("operations", "0004_batch_permissions"), ("staff", "0003_notification_roles")]

    operations = [migrations.RunPython(make, migrations.RunPython.noop)]
