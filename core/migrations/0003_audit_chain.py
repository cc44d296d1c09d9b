"""The audit trail can not be changed any more, and what is done to it all the same is found: its chain."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from core import audit_guard


def install(apps, schema_editor):
    audit_guard.install(schema_editor.connection)


def remove(apps, schema_editor):
    audit_guard.remove(schema_editor.connection)


class Migration(migrations.Migration):
    dependencies = [
        ("core", "0002_exports"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="AuditChain",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("settled", models.BigIntegerField(default=0, help_text="Every entry up to this id is sealed, and none of them is still to come.", verbose_name="settled")),
                ("seen", models.BigIntegerField(default=0, help_text="The newest id when it was looked last.", verbose_name="seen")),
                ("seen_at", models.DateTimeField(blank=True, help_text="By the clock of the database.", null=True, verbose_name="seen at")),
            ],
            options={
                "verbose_name": "state of the audit chain",
                "verbose_name_plural": "state of the audit chain",
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="AuditSeal",
            fields=[
                ("sequence", models.BigIntegerField(primary_key=True, serialize=False, verbose_name="place in the chain")),
                ("entry", models.OneToOneField(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name="seal", to="core.auditentry", verbose_name="audit entry")),
                ("previous", models.CharField(blank=True, max_length=64, verbose_name="digest before")),
                ("digest", models.CharField(max_length=64, verbose_name="digest")),
                ("signature", models.CharField(blank=True, default="", help_text="Of the digest; on the last of each run.", max_length=64, verbose_name="signature")),
            ],
            options={
                "verbose_name": "seal",
                "verbose_name_plural": "seals",
                "ordering": ["sequence"],
                "default_permissions": (),
            },
        ),
        migrations.RemoveIndex(model_name="auditentry", name="audit_actor"),
        migrations.AlterField(
            model_name="auditentry",
            name="actor",
            field=models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL, verbose_name="who"),
        ),
        *(
            migrations.AddIndex(model_name="auditentry", index=index)
            for index in (
                models.Index(fields=["at", "id"], name="audit_at"),
                models.Index(fields=["actor", "at", "id"], name="audit_who"),
                models.Index(fields=["action", "at", "id"], name="audit_action"),
                models.Index(fields=["account_name", "at", "id"], name="audit_account"),
                models.Index(fields=["ticket", "at", "id"], name="audit_ticket"),
                models.Index(fields=["request_id"], name="audit_request"),
            )
        ),
        # Last: on SQLite a change of the table would take the triggers away again.
        migrations.RunPython(install, remove),
    ]
