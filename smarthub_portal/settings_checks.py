"""Settings that are refused at the start, before anybody stumbles over them."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from smarthub_portal.config import ROLE_NAMES, Configuration


def check_addresses(config: Configuration) -> None:
    """Refuse addresses of servers that can't be read, mostly for a password with a ``/`` in it: whoever would stumble
    over them later quotes a part of the password.

    Raises :class:`ImproperlyConfigured`.
    """
    for name in ("DATABASE_URL", "REDIS_URL", "EMAIL_URL"):
        address = config[name]
        if not address or address.startswith("sqlite:") or (name, address) == ("EMAIL_URL", "file"):
            continue
        try:
            readable = "://" in address and urlsplit(address).port != 0
        except ValueError:
            readable = False
        if not readable:
            raise ImproperlyConfigured(
                f"{name} is no address: in a password / ? # @ : % are written as %2F %3F %23 %40 %3A %25."
            )


def check_sign_in(config: Configuration) -> None:
    """Refuse settings of sign-in that would shut everybody out, or let in more than is meant.

    Raises :class:`ImproperlyConfigured`.
    """
    for name, given in (
        ("MFA_REQUIRED_ROLES", config["MFA_REQUIRED_ROLES"]),
        ("OIDC_GROUP_ROLES", config["OIDC_GROUP_ROLES"].values()),
    ):
        unknown = sorted(set(given) - set(ROLE_NAMES))
        if unknown:
            raise ImproperlyConfigured(f"{name}: no such role: {', '.join(unknown)}. Roles: {', '.join(ROLE_NAMES)}.")
    for name in ("SESSION_AGE", "SESSION_IDLE", "SUDO_MINUTES", "LOGIN_LOCKOUT_MINUTES"):
        if config[name] <= 0:
            raise ImproperlyConfigured(f"{name}: give a number above 0.")
    issuer = config["OIDC_ISSUER"]
    if not issuer and config["LOCAL_SIGN_IN"] != "all":
        raise ImproperlyConfigured("LOCAL_SIGN_IN shuts others than administrators out: set OIDC_ISSUER, too.")
    if not issuer:
        return
    missing = [name for name in ("OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET", "OIDC_GROUP_ROLES") if not config[name]]
    if missing:
        raise ImproperlyConfigured(f"OIDC_ISSUER is set: set {', '.join(missing)}, too.")
    if config.mode == "production" and not issuer.startswith("https://"):
        raise ImproperlyConfigured("OIDC_ISSUER: give an https:// address.")
