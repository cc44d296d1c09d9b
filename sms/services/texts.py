"""What a text is as a message: coding, how much is left, what stands against it. Sentences never hold the text."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from smarthub import sms
from smarthub.sms import Coding, normal
from sms.placeholders import unknown_in

CODING_NAMES = {
    Coding.DEFAULT: gettext_lazy("Standard (GSM)"),
    Coding.ASCII: gettext_lazy("ASCII"),
    Coding.BINARY: gettext_lazy("Unicode"),
}

LONGEST_VALIDITY = sms.minutes_of(sms.LARGEST_TPVP)
"""Minutes."""


@dataclass(frozen=True)
class Composed:
    """A text in its coding. ``because`` is the character that asks for a wider coding than the standard one."""

    text: str
    coding: Coding
    size: sms.Size
    because: str = ""
    misfit: str = ""

    @property
    def problem(self) -> str:
        """Why it can't be sent, as a sentence; empty when it can."""
        if self.misfit:
            return _("“%(coding)s” can't carry the character “%(character)s”.") % {
                "coding": CODING_NAMES[self.coding],
                "character": self.misfit if self.misfit.isprintable() else f"U+{ord(self.misfit):04X}",
            }
        if self.size.fits:
            return ""
        over = -self.size.left
        if self.coding == Coding.BINARY:
            return ngettext(
                "The text is %(number)s byte too long for one message.",
                "The text is %(number)s bytes too long for one message.",
                over,
            ) % {"number": over}
        return ngettext(
            "The text is %(number)s character too long for one message.",
            "The text is %(number)s characters too long for one message.",
            over,
        ) % {"number": over}

    @property
    def unfilled(self) -> str:
        """What looks like placeholders and is none, as it will be sent; empty when there is nothing such."""
        return ", ".join(f"{{{name}}}" for name in unknown_in(self.text))

    @property
    def left(self) -> str:
        """What is left, in words. For Unicode in characters of the common kind, two bytes each."""
        number = self.size.left // 2 if self.coding == Coding.BINARY else self.size.left
        if number < 0:
            return self.problem
        return ngettext("%(number)s character left", "%(number)s characters left", number) % {"number": number}

    @property
    def why(self) -> str:
        """What it goes as, and why, when that is not the standard."""
        name = CODING_NAMES[self.coding]
        if not self.because:
            return _("goes as %(coding)s") % {"coding": name}
        character = self.because if self.because.isprintable() else f"U+{ord(self.because):04X}"
        return _("goes as %(coding)s because of “%(character)s”") % {"coding": name, "character": character}


def compose(text: str, coding: int | None = None) -> Composed:
    """``text`` in ``coding``, or in the one that leaves the most room."""
    text = normal(text)
    if coding is None:
        chosen, because = sms.propose(text)
    else:
        chosen, because = Coding(coding), ""
    size = sms.size(text, chosen, max_bytes=settings.CONFIG["SMS_MAX_BYTES"])
    return Composed(text, chosen, size, because, sms.misfit(text, chosen))


def wire_text(text: str, coding: int) -> str:
    """``messageText`` of a text that :func:`compose` found sound."""
    return sms.encode(text, coding)


def readable(text: str, coding: int | None) -> str | None:
    """The text in what a device sent; ``None`` for bytes that are no text."""
    return sms.decode(text, coding)


def rounded_validity(minutes: int) -> int:
    """``minutes`` rounded up to what a ``tpvp`` can say. Raises ValueError outside of what it can."""
    return sms.minutes_of(sms.tpvp_for(minutes))


def tpvp_of(minutes: int | None) -> int | None:
    """The ``tpvp`` for a validity; ``None`` leaves it to the carrier."""
    return None if minutes is None else sms.tpvp_for(minutes)


def validity_words(minutes: int | None) -> str:
    """A validity for people, in its largest whole unit."""
    if minutes is None:
        return _("as the carrier chooses")
    for unit, singular, plural in _UNITS:
        if minutes % unit == 0:
            number = minutes // unit
            return ngettext(singular, plural, number) % {"number": number}
    return ngettext("%(number)s minute", "%(number)s minutes", minutes) % {"number": minutes}


_UNITS = (
    (sms.WEEK, "%(number)s week", "%(number)s weeks"),
    (sms.DAY, "%(number)s day", "%(number)s days"),
    (sms.HOUR, "%(number)s hour", "%(number)s hours"),
)
