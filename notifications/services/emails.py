"""E-mails: addresses, texts, sending."""

from __future__ import annotations

from collections.abc import Iterable

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.translation import gettext as _

MOST_ADDRESSES = 50
LONGEST_ADDRESS = 254


def clean_addresses(addresses: Iterable[str]) -> list[str]:
    """The e-mail addresses without blanks and repetitions, in order.

    Raises :class:`~django.core.exceptions.ValidationError` that names each one which is none, or for too many.
    """
    found = {address.strip().casefold(): address.strip() for address in addresses if address.strip()}
    wrong = []
    for address in found.values():
        try:
            validate_email(address)
        except ValidationError:
            wrong.append(address)
        else:
            if len(address) > LONGEST_ADDRESS or not address.isprintable():
                wrong.append(address)
    if wrong:
        raise ValidationError([_("%(address)s is no e-mail address.") % {"address": a[:100]} for a in wrong[:5]])
    if len(found) > MOST_ADDRESSES:
        raise ValidationError(_("At most %(number)s addresses.") % {"number": MOST_ADDRESSES})
    return list(found.values())
