"""Messages that are sent: their operations, delivery, conversations, texts of jobs, templates."""

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


def find_conversations(apps, schema_editor):
    """The newest message of each SIM that has some."""
    message, conversation = apps.get_model("sms", "Message"), apps.get_model("sms", "Conversation")
    newest = {}
    for pk, sim_id, at in message.objects.order_by("at", "id").values_list("pk", "sim_id", "at").iterator():
        newest[sim_id] = (pk, at)
    conversation.objects.bulk_create(
        (conversation(sim_id=sim_id, last_id=pk, last_at=at) for sim_id, (pk, at) in newest.items()), batch_size=1000
    )


class Migration(migrations.Migration):
    dependencies = [
        ("operations", "0006_send_sms"),
        ("sims", "0003_room_for_readings"),
        ("sms", "0002_messages_by_time"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Draft",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("text", models.TextField(verbose_name="text")),
                ("text_removed_at", models.DateTimeField(blank=True, null=True, verbose_name="text removed")),
                (
                    "coding",
                    models.IntegerField(
                        blank=True, help_text="Empty: as each text needs.", null=True, verbose_name="data coding"
                    ),
                ),
                ("validity", models.IntegerField(blank=True, null=True, verbose_name="validity, minutes")),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, verbose_name="made")),
            ],
            options={"verbose_name": "text of a job", "verbose_name_plural": "texts of jobs", "default_permissions": ()},
        ),
        migrations.CreateModel(
            name="MessageTemplate",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=80, unique=True, verbose_name="name")),
                ("text", models.TextField(max_length=1000, verbose_name="text")),
                ("changed_at", models.DateTimeField(default=django.utils.timezone.now, verbose_name="changed")),
                (
                    "changed_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="changed by",
                    ),
                ),
            ],
            options={
                "verbose_name": "template",
                "verbose_name_plural": "templates",
                "ordering": ["name"],
                "default_permissions": (),
            },
        ),
        migrations.AlterModelOptions(
            name="message",
            options={
                "default_permissions": ("view",),
                "ordering": ["-id"],
                "permissions": [
                    ("send_message", "Can send messages to SIMs"),
                    ("manage_templates", "Can manage templates of messages"),
                ],
                "verbose_name": "message",
                "verbose_name_plural": "messages",
            },
        ),
        migrations.RemoveField(model_name="message", name="state"),
        migrations.AlterField(
            model_name="message",
            name="text",
            field=models.TextField(
                help_text="As the carrier gave it, or as it is to be read by the device.", verbose_name="text"
            ),
        ),
        migrations.AddField(
            model_name="message",
            name="text_removed_at",
            field=models.DateTimeField(blank=True, null=True, verbose_name="text removed"),
        ),
        migrations.AddField(
            model_name="message",
            name="operation",
            field=models.OneToOneField(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="message_sent",
                to="operations.operation",
                verbose_name="operation",
            ),
        ),
        migrations.AddField(
            model_name="message",
            name="validity",
            field=models.IntegerField(
                blank=True,
                help_text="Empty: as long as the carrier chooses.",
                null=True,
                verbose_name="validity, minutes",
            ),
        ),
        migrations.AddField(
            model_name="message",
            name="delivery",
            field=models.CharField(
                blank=True,
                choices=[
                    ("pending", "On its way"),
                    ("carrier_unknown", "Unknown to the carrier"),
                    ("expired", "Expired"),
                    ("failed", "Not delivered"),
                    ("delivered", "Delivered"),
                ],
                default="",
                help_text="Once it was sent.",
                max_length=20,
                verbose_name="delivery",
            ),
        ),
        migrations.AddField(
            model_name="message",
            name="delivered_at",
            field=models.DateTimeField(
                blank=True, help_text="The carrier's time.", null=True, verbose_name="delivered"
            ),
        ),
        migrations.AddField(
            model_name="message",
            name="reported_at",
            field=models.DateTimeField(blank=True, null=True, verbose_name="last word of the carrier"),
        ),
        migrations.AddField(
            model_name="message",
            name="next_poll_at",
            field=models.DateTimeField(blank=True, null=True, verbose_name="next question"),
        ),
        migrations.AddField(
            model_name="message", name="polls", field=models.IntegerField(default=0, verbose_name="times asked")
        ),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(
                condition=models.Q(("next_poll_at__isnull", False)), fields=["next_poll_at"], name="message_to_ask"
            ),
        ),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(
                condition=models.Q(("text_removed_at__isnull", True)), fields=["at"], name="message_with_text"
            ),
        ),
        migrations.CreateModel(
            name="Conversation",
            fields=[
                (
                    "sim",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="conversation",
                        serialize=False,
                        to="sims.sim",
                        verbose_name="SIM",
                    ),
                ),
                ("last_at", models.DateTimeField(verbose_name="time of it")),
                (
                    "last",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="sms.message",
                        verbose_name="newest message",
                    ),
                ),
            ],
            options={
                "verbose_name": "conversation",
                "verbose_name_plural": "conversations",
                "indexes": [models.Index(fields=["-last_at", "-sim"], name="conversation_newest")],
                "default_permissions": (),
            },
        ),
        migrations.RunPython(find_conversations, migrations.RunPython.noop, elidable=True),
    ]
