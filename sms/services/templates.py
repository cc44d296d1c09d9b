"""Writing templates of messages."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from core import audit
from sms.forms import TemplateForm
from sms.models import MessageTemplate
from staff.models import User


def save_template(form: TemplateForm, actor: User) -> MessageTemplate:
    """Store what a valid form says, new or changed. A template is nobody's personal data, so the trail holds it."""
    is_new = form.instance.pk is None
    before = {} if is_new else dict(MessageTemplate.objects.values("name", "text").get(pk=form.instance.pk))
    with transaction.atomic():
        template: MessageTemplate = form.save(commit=False)
        template.changed_by, template.changed_at = actor, timezone.now()
        template.save()
        audit.record(
            action="sms_template.added" if is_new else "sms_template.changed",
            actor=actor,
            target=template,
            before=before,
            after={"name": template.name, "text": template.text},
        )
    return template


def delete_template(template: MessageTemplate, actor: User) -> None:
    """Take it away. Messages that were made of it keep their text."""
    with transaction.atomic():
        audit.record(
            action="sms_template.deleted",
            actor=actor,
            target=template,
            before={"name": template.name, "text": template.text},
        )
        template.delete()
