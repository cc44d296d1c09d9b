"""Every setting an operator can give by the environment, in one table.

``settings.py`` reads its values from here and the README's configuration table is made from here
(``manage.py config_table``), so neither can say what the other does not.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Option:
    """One environment variable: its type, its default (and the demo's, where that differs) and what it does.

    A default of ``None`` in ``production`` mode with ``required=True`` stops the start with a clear message.
    ``secret``: its value may lie in a file instead, which ``<name>_FILE`` names.
    """

    name: str
    type: type
    default: Any
    help: str
    demo: Any = None
    required: bool = False
    secret: bool = False


MODES = ("production", "demo", "test")
DATA_UNITS = ("binary", "decimal")
ROLE_NAMES = ("Viewer", "Agent", "Supervisor", "Administrator")
LOCAL_FOR = ("all", "administrators")
LOG_FORMATS = ("json", "line")
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

OPTIONS: tuple[Option, ...] = (
    Option("PORTAL_MODE", str, "production", "`make demo` sets `demo`, which listens on loopback only.", demo="demo"),
    Option("SECRET_KEY", str, "", "Signs sessions and tokens; 50 random characters.", required=True, secret=True),
    Option(
        "SECRET_KEY_FALLBACKS",
        list,
        [],
        "Secret keys of before, comma separated: what they signed holds until a new one has taken their place.",
        secret=True,
    ),
    Option(
        "ENCRYPTION_KEYS",
        list,
        [],
        "Keys of stored secrets, comma separated, the newest first; without it one made from SECRET_KEY.",
        secret=True,
    ),
    Option(
        "ALLOWED_HOSTS",
        list,
        [],
        "Host names that the portal answers to, comma separated.",
        demo=["localhost", "127.0.0.1", "[::1]"],
        required=True,
    ),
    Option("CSRF_TRUSTED_ORIGINS", list, [], "Origins (https://host) of forms behind a proxy, comma separated."),
    Option("DEBUG", bool, False, "Django's debug pages; refused in production."),
    Option("DATABASE_URL", str, "", "postgres://user:password@host/name; without it SQLite in DATA_DIR.", secret=True),
    Option(
        "REDIS_URL",
        str,
        "",
        "Valkey or Redis for broker, cache, locks, call budget; without it the embedded one of the demo.",
        required=True,
        secret=True,
    ),
    Option(
        "DATA_DIR",
        str,
        "var",
        "Where the embedded database, the demo's files and large downloads live; web and workers share it.",
    ),
    Option(
        "SMARTHUB_BASE_URL",
        str,
        "",
        "The carrier's API, taken literally (with its /v1 where it has one).",
        required=True,
    ),
    Option("SMARTHUB_API_KEY", str, "", "The carrier's key. Only ever in the environment.", required=True, secret=True),
    Option(
        "SMARTHUB_RATE",
        float,
        10.0,
        "Calls per second to the carrier, shared by all processes; 0 is no limit.",
    ),
    Option("SMARTHUB_PAGE_SIZE", int, 100, "Rows asked for on each page of a carrier's list."),
    Option("SMARTHUB_CONNECT_TIMEOUT", float, 3.0, "Seconds to wait for a connection to the carrier."),
    Option("SMARTHUB_READ_TIMEOUT", float, 30.0, "Seconds to wait for the carrier's answer.", demo=10.0),
    Option("SMARTHUB_REQUEST_ID", bool, True, "Send the id of the request behind a call along, as X-Request-ID."),
    Option(
        "BREAKER_FAILURES",
        int,
        5,
        "Calls in a row without an answer after which no more leave until the carrier answers a probe; 0: never.",
    ),
    Option("BREAKER_PROBE_EVERY", int, 10, "Seconds between two such probes, over all processes."),
    Option("SYNC_FULL_EVERY", int, 6 * 3600, "Seconds between full walks of the carrier's list."),
    Option("SYNC_CHANGES_EVERY", int, 60, "Seconds between readings of the carrier's change logs.", demo=10),
    Option("SYNC_REFERENCE_EVERY", int, 3600, "Seconds between readings of accounts, plans and pools."),
    Option("SYNC_STATISTICS_EVERY", int, 86400, "Seconds between readings of usage by country.", demo=3600),
    Option("SYNC_LEASE", int, 120, "Seconds after which a sync that shows no life is taken over.", demo=30),
    Option(
        "SYNC_RESUME_WITHIN",
        int,
        6 * 3600,
        "Seconds within which an interrupted walk goes on from its last page.",
    ),
    Option("SYNC_KEEP_DAYS", int, 90, "Days that finished runs of the sync are kept; the newest of each kind stay."),
    Option("SIM_REFRESH_AFTER", int, 300, "Seconds after which an opened SIM page reads its SIM again.", demo=60),
    Option(
        "USAGE_DAYS_KEPT", int, 400, "Days for which usage is kept by day; of older months totals stay. 0 keeps all."
    ),
    Option(
        "USAGE_JUMP_FACTOR",
        float,
        5.0,
        "A day is unusual from this many times a SIM's usual day (median of 14) on; 0 looks for none.",
    ),
    Option("USAGE_JUMP_LEAST", int, 10 * 1024 * 1024, "Bytes below which no day is unusual."),
    Option("SILENT_DAYS", int, 30, "Days without a session after which an activated SIM is called silent."),
    Option("DATA_UNITS", str, "binary", "Whether a MB is 1024 kB, as plans count (`binary`), or 1000 (`decimal`)."),
    Option(
        "TIMELINE_JOIN_WINDOW",
        int,
        300,
        "Seconds within which an operation, a push and a change-log entry are one event.",
    ),
    Option(
        "OPERATION_LEASE",
        int,
        60,
        "Seconds a row may be `sending` before it counts as lost; more than the read time-out.",
        demo=15,
    ),
    Option("OPERATION_DISPATCH_EVERY", int, 5, "Seconds between looks for operations that are due.", demo=2),
    Option(
        "OPERATION_EXPIRES_AFTER",
        int,
        3600,
        "Seconds after which an operation that could not be sent expires.",
    ),
    Option(
        "OPERATION_READBACK_TRIES",
        int,
        8,
        "Readings of a SIM before an unclear operation needs a person.",
        demo=6,
    ),
    Option("BATCH_CHUNK_SIZE", int, 1000, "SIMs in one batch job at the carrier; not more than it takes."),
    Option("BATCH_OPEN_CHUNKS", int, 4, "Batch jobs open at the carrier at a time, for each job of the portal."),
    Option(
        "BATCH_POLL_DEADLINE",
        int,
        3600,
        "Seconds after which a batch job that does not end at the carrier is settled by reading its SIMs.",
        demo=600,
    ),
    Option(
        "BATCH_LOST_SUBMIT_AFTER",
        int,
        60,
        "Seconds without a sign of it after which a batch submit without an answer is certainly not there.",
        demo=20,
    ),
    Option("BATCH_AGENT_LIMIT", int, 100, "SIMs up to which an agent's job needs no approval."),
    Option("BATCH_SUPERVISOR_LIMIT", int, 1000, "SIMs up to which anybody's job needs no second person."),
    Option("APPROVAL_LAPSES_AFTER", int, 86400, "Seconds after which a wish that nobody approved lapses."),
    Option("BATCH_MAX_LINES", int, 100_000, "Lines, or SIMs of a filter, that one job takes."),
    Option("BATCH_RECHECK_AFTER", int, 3600, "Seconds after which a plan is checked again before it is taken."),
    Option(
        "RULE_ALLOWED_BY_ANOTHER",
        bool,
        False,
        "Let a rule send operations without approval only when another administrator than its maker has allowed it.",
    ),
    Option(
        "RULE_AUTOMATIC_PER_HOUR",
        int,
        100,
        "Operations a rule may send without approval in an hour; more are proposed. 0: none.",
    ),
    Option("SMS_MAX_BYTES", int, 140, "Bytes in one message: 140 are 160 characters, or 70 in Unicode."),
    Option("SMS_KEEP_DAYS", int, 90, "Days after which the texts of messages are removed; 0 keeps them."),
    Option("EXPORT_KEEP_FOR", int, 7 * 86400, "Seconds for which a download that was made in the background is kept."),
    Option("PUSH_MAX_BYTES", int, 256 * 1024, "Largest push body that is taken."),
    Option("PUSH_ATTEMPTS", int, 8, "Tries before a push that fails is parked as dead."),
    Option(
        "PUSH_RATE",
        int,
        120_000,
        "Pushes of one source taken in a minute, each counted once per 4 kB begun; 0 is no limit.",
    ),
    Option("PUSH_BACKLOG", int, 200_000, "Unfinished pushes of one source that are kept; 0 is no limit."),
    Option("PUSH_KEEP_DAYS", int, 30, "Days that done pushes are kept; the timeline is kept for ever."),
    Option("PUSH_KEEP_FAILED_DAYS", int, 90, "Days that refused, unused and given-up pushes are kept."),
    Option(
        "EVENT_KEEP_DAYS", int, 90, "Days that events are kept which no notification names; rules can be tried on them."
    ),
    Option("NOTIFICATION_KEEP_DAYS", int, 180, "Days that closed notifications are kept."),
    Option("PUSH_KEEP_MOST", int, 2_000_000, "Newest pushes beyond which done ones go sooner."),
    Option(
        "PORTAL_URL",
        str,
        "",
        "This portal's address, for links in e-mails and webhooks; without it made from the first of ALLOWED_HOSTS.",
    ),
    Option(
        "EMAIL_URL",
        str,
        "",
        "smtp+tls://user:password@host:587; without it no e-mail is sent.",
        demo="file",
        secret=True,
    ),
    Option("DEFAULT_FROM_EMAIL", str, "SmartHub Portal <portal@localhost>", "Sender of e-mails."),
    Option("DIGEST_HOUR", int, 8, "Hour of the day, in TIME_ZONE, at which daily collected e-mails are sent."),
    Option("FORWARD_ALLOW_PRIVATE", bool, False, "Let outgoing webhooks go to private and loopback addresses."),
    Option("FORWARD_ALLOW_HTTP", bool, False, "Let outgoing webhooks go without TLS.", demo=True),
    Option(
        "FORWARD_PORTS",
        list,
        ["80", "443", "8080", "8443"],
        "Ports that outgoing webhooks may go to, comma separated; `any` for all.",
        demo=["any"],
    ),
    Option("FORWARD_CA_FILE", str, "", "File of certificates that receivers of webhooks may have, too."),
    Option(
        "FORWARD_KEY_OVERLAP_HOURS", int, 24, "Hours for which the key before a webhook's new one signs along; 0: none."
    ),
    Option("DELIVERY_RETRY_HOURS", int, 24, "Hours for which an outgoing webhook or e-mail is tried again."),
    Option("DELIVERY_KEEP_DAYS", int, 30, "Days that sent and given-up webhooks and e-mails are kept."),
    Option("SESSION_AGE", int, 12 * 3600, "Seconds after which a sign-in ends in any case."),
    Option(
        "SESSION_IDLE",
        int,
        3600,
        "Seconds without a click after which a sign-in ends; open pages that poll don't count.",
    ),
    Option("LOGIN_FAILURES", int, 5, "Failed sign-ins of a user from one address before a lockout of the two."),
    Option("LOGIN_FAILURES_USER", int, 20, "Failed sign-ins of a user from anywhere before a lockout of the user."),
    Option("LOGIN_FAILURES_ADDRESS", int, 50, "Failed sign-ins from an address, of any users, before its lockout."),
    Option("LOGIN_LOCKOUT_MINUTES", int, 15, "Length of these lockouts; `manage.py release_sign_in` ends one."),
    Option("LOCAL_SIGN_IN", str, "all", "Who may sign in with a password: `all`, or `administrators` alone."),
    Option("SUDO_MINUTES", int, 15, "Minutes for which a sign-in or a password typed again allows what is dangerous."),
    Option(
        "MFA_REQUIRED_ROLES", list, [], "Roles that need a second factor, comma separated, such as `Administrator`."
    ),
    Option("OIDC_ISSUER", str, "", "Address of an OpenID Connect provider; without it no single sign-on."),
    Option("OIDC_CLIENT_ID", str, "", "The portal's name at the provider."),
    Option("OIDC_CLIENT_SECRET", str, "", "The portal's secret at the provider.", secret=True),
    Option("OIDC_NAME", str, "Single sign-on", "What the provider is called on the sign-in page."),
    Option("OIDC_SCOPES", list, ["openid", "profile", "email"], "What the provider is asked for, comma separated."),
    Option("OIDC_GROUPS_CLAIM", str, "groups", "The claim that holds a person's groups."),
    Option(
        "OIDC_GROUP_ROLES", dict, {}, "Which group has which role: `group=Role`, comma separated. No group, no entry."
    ),
    Option(
        "OIDC_LINK_BY_EMAIL",
        bool,
        False,
        "Let who comes from the provider take over the local user with the same verified e-mail.",
    ),
    Option(
        "OIDC_ALL_ACCOUNTS",
        bool,
        False,
        "Let new users from the provider see every carrier account; else an administrator gives them some.",
    ),
    Option("OIDC_MFA_TRUSTED", bool, False, "Count a sign-in at the provider as one with a second factor."),
    Option("TIME_ZONE", str, "UTC", "Zone of times for users who have not chosen one."),
    Option(
        "BEHIND_PROXY",
        bool,
        False,
        "Trust X-Forwarded-Proto and X-Forwarded-For, which a proxy sets.",
    ),
    Option("PROXY_COUNT", int, 1, "Proxies in front; each adds to X-Forwarded-For the address that called it."),
    Option("SECURE_HSTS_SECONDS", int, 31536000, "Length of strict transport security.", demo=0),
    Option("METRICS_TOKEN", str, "", "Bearer token for /metrics; without it only loopback may read it.", secret=True),
    Option("SENTRY_DSN", str, "", "Where errors are reported, without identifiers and secrets.", secret=True),
    Option("SENTRY_ENVIRONMENT", str, "production", "Name of this installation in those reports."),
    Option("LOG_FORMAT", str, "json", "A log line: `json`, or `line` for key=value as people read it.", demo="line"),
    Option("LOG_LEVEL", str, "INFO", "Least level that is logged."),
)


class Configuration(dict[str, Any]):
    """Values of :data:`OPTIONS` by name; ``mode`` is ``production``, ``demo`` or ``test``."""

    mode: str


def load() -> Configuration:
    """Read every option from the environment, then from ``DATA_DIR/demo.env`` when a demo wrote one.

    The real environment wins over the file. The mode is ``PORTAL_MODE``; without it ``demo`` where the file
    exists, else ``production``, so that a forgotten variable never opens a door.
    """
    data_dir = Path(os.environ.get("DATA_DIR") or "var").expanduser()
    data_dir = data_dir if data_dir.is_absolute() else BASE_DIR / data_dir
    demo_file = data_dir / "demo.env"
    if (os.environ.get("PORTAL_MODE") or "demo") == "demo" and demo_file.exists():
        environ.Env.read_env(str(demo_file))
    env = environ.Env()
    # Never put into the process's own environment, which other programs of the machine's user could read.
    env.ENVIRON = {**os.environ, **from_files(os.environ)}
    config = Configuration()
    config.mode = os.environ.get("PORTAL_MODE") or "production"
    for option in OPTIONS:
        default = option.demo if config.mode != "production" and option.demo is not None else option.default
        config[option.name] = read(env, option, default)
    config["DATA_DIR"] = data_dir
    config["LOG_LEVEL"] = config["LOG_LEVEL"].upper()
    choices = {
        "PORTAL_MODE": MODES,
        "LOG_LEVEL": LOG_LEVELS,
        "LOG_FORMAT": LOG_FORMATS,
        "DATA_UNITS": DATA_UNITS,
        "LOCAL_SIGN_IN": LOCAL_FOR,
    }
    for name, allowed in choices.items():
        # A mode with a typing error must not be one that is less strict.
        if config[name] not in allowed:
            raise ImproperlyConfigured(f"{name} is {config[name]!r}: give one of {', '.join(allowed)}.")
    return config


def from_files(environment: Mapping[str, str]) -> dict[str, str]:
    """The secrets whose ``<name>_FILE`` names a file: what the file holds, without the end of its last line.

    Raises :class:`ImproperlyConfigured` where a secret is given both ways, or its file can't be read or is empty.
    """
    found: dict[str, str] = {}
    for name in (option.name for option in OPTIONS if option.secret):
        path = environment.get(f"{name}_FILE")
        if not path:
            continue
        if environment.get(name):
            raise ImproperlyConfigured(f"{name} and {name}_FILE are both set: give one of them.")
        try:
            found[name] = Path(path).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ImproperlyConfigured(f"{name}_FILE names {path}: {error.strerror}.") from None
        except UnicodeDecodeError:
            raise ImproperlyConfigured(f"{name}_FILE names {path}, which holds no text.") from None
        if not found[name]:
            raise ImproperlyConfigured(f"{name}_FILE names {path}, which is empty.")
    return found


def read(env: environ.Env, option: Option, default: Any) -> Any:
    """One option's value in its type; an empty variable counts as not set.

    Raises :class:`ImproperlyConfigured` for a value that is not of that type; it names no secret.
    """
    given = env.ENVIRON.get(option.name)
    if not given:
        return default
    try:
        # Not get_value, which takes what begins with a $ for the name of another variable, and names it in its error.
        return env.parse_value(given, option.type)
    except ValueError:
        shown = "what is given" if option.secret else repr(given)
        raise ImproperlyConfigured(f"{option.name} is {shown}: that is no {option.type.__name__}.") from None
