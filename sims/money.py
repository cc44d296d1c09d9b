"""Amounts of money for people."""

from __future__ import annotations

from decimal import Context, Decimal

from django.utils.formats import number_format

_PLACES = Decimal("0.01")
# A plan of a byte or two makes so many packs that what they cost has more than the 28 digits that Python keeps.
WIDE = Context(prec=60)
"""For what is cut to some places, which may be as large as the carrier's figures make it."""


def money(amount: Decimal | None, currency: str = "", *, signed: bool = False) -> str:
    """``1,204.50 EUR``: with two places, or all of its own where there are more; an empty text for ``None``.

    ``signed`` puts a plus before what is more than nothing.
    """
    if amount is None:
        return ""
    exact = amount.normalize(WIDE)
    short = amount.quantize(_PLACES, context=WIDE)
    places = 2 if short == exact else -int(exact.as_tuple().exponent)
    text = number_format(short if places == 2 else exact, decimal_pos=places, force_grouping=True)
    if signed:
        text = with_sign(text, amount)
    return f"{text} {currency}".strip()


def with_sign(text: str, number: Decimal) -> str:
    """``text`` of a difference: a plus before what is more than nothing, a true minus, as wide, before what is less."""
    return f"+{text}" if number > 0 else text.replace("-", "−")


def rounded(amount: Decimal | None, currency: str = "", *, signed: bool = False) -> str:
    """As :func:`money`, always with two places: for sums and means, which say no more by having more."""
    return money(None if amount is None else amount.quantize(_PLACES, context=WIDE), currency, signed=signed)
