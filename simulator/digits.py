"""Check digits and reversible numbering, cheap enough for a million SIMs."""

MASK = 0xFFFFFFFFFFFFFFFF
GOLDEN = 0x9E3779B97F4A7C15


def mix(value: int) -> int:
    """Scatter an integer over 64 bits (the finaliser of splitmix64): one call feeds all fields of a SIM."""
    value &= MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & MASK
    return value ^ (value >> 31)


def _doubled(digit: int) -> int:
    return digit * 2 - 9 if digit > 4 else digit * 2


def _luhn_sum(digits: str) -> int:
    """Luhn sum of a payload: its last digit, which stands before the check digit, is doubled."""
    return sum(_doubled(int(d)) if n % 2 == 0 else int(d) for n, d in enumerate(reversed(digits)))


# Luhn sums of all groups of four digits; four is even, so a group's sum is the same wherever it stands.
_GROUPS = tuple(_luhn_sum(f"{n:04d}") for n in range(10_000))


def luhn_check(payload: int) -> int:
    """Check digit (0-9) for a payload given as a number; leading zeros do not matter to Luhn."""
    total = 0
    while payload:
        payload, group = divmod(payload, 10_000)
        total += _GROUPS[group]
    return -total % 10


def is_luhn(digits: str) -> bool:
    """Whether the last digit of a text of digits is the Luhn check digit of the others."""
    return digits.isdigit() and luhn_check(int(digits[:-1])) == int(digits[-1])
