"""E-mails: addresses, texts, and what of them waits to be collected into one."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable
from datetime import datetime

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage
from django.core.validators import validate_email
from django.db import transaction
from django.db.models import Count, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from core.templatetags.portal import exact_time
from notifications import kinds
from notifications.models import Delivery, Event, Notification, Rule, Severity
from notifications.services.payloads import link

MOST_ADDRESSES = 50
LONGEST_ADDRESS = 254
MOST_AT_ONCE = 20
"""E-mails that wait for one address at the same time; more of them become one, as if they were to be collected."""
MOST_IN_A_DIGEST = 200
"""Events that a collected e-mail tells one by one; the rest are counted."""


def clean_addresses(addresses: Iterable[str]) -> list[str]:
    """The e-mail addresses without blanks and repetitions, in order.

    Raises :class:`~django.core.exceptions.ValidationError` that names each one which is none, or for too many.
    """
    found = _unrepeated(address.strip() for address in addresses)
    wrong = [address for address in found if not _is_address(address)]
    if wrong:
        raise ValidationError([_("%(address)s is no e-mail address.") % {"address": a[:100]} for a in wrong[:5]])
    if len(found) > MOST_ADDRESSES:
        raise ValidationError(_("At most %(number)s addresses.") % {"number": MOST_ADDRESSES})
    return found


def usable_addresses(stored: object) -> list[str]:
    """Those of a rule's stored addresses that mail can go to, whatever else stands there."""
    texts = [address.strip() for address in stored if isinstance(address, str)] if isinstance(stored, list) else []
    return _unrepeated(filter(_is_address, texts))[:MOST_ADDRESSES]


def key_of(address: str, rule_id: int, event_id: int) -> str:
    """The key of a delivery to ``address``, which may be longer than a key."""
    digest = hashlib.blake2b(address.casefold().encode(), digest_size=16).hexdigest()
    return f"email:{digest}:{rule_id}:{event_id}"


def compose(*, rule: Rule, event: Event, notification: Notification) -> tuple[str, str]:
    """Subject and text of the e-mail about one event; the text is what a collected e-mail says of it, too."""
    severity = Severity(notification.severity).label if notification.severity in Severity.values else ""
    about = event.sim.giccid if event.sim is not None else ""
    label = kinds.label_of(event.kind)
    subject = one_line(f"[{severity}] {label}" + (f": {about}" if about else ""))[:200]
    lines = [label, kinds.describe(event.kind, event.value, event.detail)]
    if event.sim is not None:
        plan = event.sim.plan.name or event.sim.plan_id if event.sim.plan is not None else ""
        lines.append(
            _("SIM %(giccid)s, account %(account)s") % {"giccid": about, "account": event.sim.account_id}
            + (_(", rate plan %(plan)s") % {"plan": plan} if plan else "")
        )
        if event.sim.custom1:
            lines.append(_("Custom 1: %(text)s") % {"text": event.sim.custom1})
    lines.append(exact_time(event.at))
    lines.append(_("Rule: %(name)s") % {"name": rule.name})
    lines.append(link(f"/notifications/{notification.pk}/"))
    return subject, "\n".join(one_line(line) for line in lines if line)


def message(delivery: Delivery) -> EmailMessage:
    """The stored e-mail, ready to be sent. Its Message-ID is the delivery's, so that a second copy can be told."""
    host = settings.DEFAULT_FROM_EMAIL.rpartition("@")[2].strip("<> ") or "localhost"
    foot = _("Sent by the portal because a rule names this address.")
    return EmailMessage(
        subject=one_line(delivery.subject),
        body=f"{delivery.body}\n\n-- \n{foot}\n{link('/')}\n",
        to=[delivery.email],
        headers={"Message-ID": f"<{delivery.uuid}@{host}>", "Auto-Submitted": "auto-generated"},
    )


def _unrepeated(addresses: Iterable[str]) -> list[str]:
    found: dict[str, str] = {}
    for address in filter(None, addresses):
        found.setdefault(address.casefold(), address)
    return list(found.values())


def _is_address(text: str) -> bool:
    if len(text) > LONGEST_ADDRESS or not text.isprintable():
        return False
    try:
        validate_email(text)
    except ValidationError:
        return False
    return True


def one_line(text: str) -> str:
    """``text`` without line breaks and other controls: it can't begin a header or a line of its own."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def collect_due() -> int:
    """Make one e-mail for each address whose collected ones are due, or to which too many go at once; answers how
    many were made.

    Each stored event goes into exactly one e-mail: the e-mail and what it takes are one transaction, and only what
    still waits is taken.
    """
    now = timezone.now()
    groups = _untried(now).order_by().values_list("email", "digest").annotate(number=Count("pk"))
    return sum(
        _collect(email, digest, now) for email, digest, number in list(groups) if digest or number > MOST_AT_ONCE
    )


def _untried(now: datetime) -> QuerySet[Delivery]:
    """E-mails about one event each that are due and that nobody has begun to send."""
    waiting = Delivery.objects.filter(
        channel=Delivery.Channel.EMAIL, state=Delivery.State.QUEUED, next_attempt_at__lte=now, attempts=0
    )
    return waiting.exclude(kind="")


def _collect(email: str, digest: str, now: datetime) -> bool:
    with transaction.atomic():
        mail = Delivery.objects.create(
            channel=Delivery.Channel.EMAIL,
            email=email,
            key=f"collected:{uuid.uuid4()}",
            body="",
            created_at=now,
            next_attempt_at=now,
            give_up_at=now,
        )
        taken = (
            _untried(now)
            .filter(email=email, digest=digest)
            .update(state=Delivery.State.COLLECTED, part_of=mail, next_attempt_at=None, finished_at=now)
        )
        if not taken:
            mail.delete()
            return False
        _write_collected(mail, taken)
    return True


def _write_collected(mail: Delivery, number: int) -> None:
    from notifications.services.deliveries import give_up_at  # it stores what is written here

    parts = list(mail.parts.order_by("pk")[:MOST_IN_A_DIGEST])
    accounts = {part.account_name for part in parts} if number == len(parts) else {""}
    title = ngettext("%(number)s notification", "%(number)s notifications", number) % {"number": number}
    texts = [part.body for part in parts]
    if number > len(parts):
        texts.append(
            _("And %(number)s more: %(link)s") % {"number": number - len(parts), "link": link("/notifications/")}
        )
    mail.subject = title
    mail.body = "\n\n".join([title, *texts])
    mail.account_name = accounts.pop() if len(accounts) == 1 else ""
    mail.give_up_at = give_up_at(mail.created_at)
    mail.save(update_fields=["subject", "body", "account_name", "give_up_at"])
