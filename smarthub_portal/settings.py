"""Django settings. What an operator may change comes from the environment, see ``config.py``."""

from __future__ import annotations

import os
import sys
from typing import Any

import environ
from csp.constants import NONCE, NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from redis.backoff import NoBackoff
from redis.retry import Retry

from smarthub_portal import config as configuration
from smarthub_portal import logs, schedule, sentry
from smarthub_portal.embedded import valkey_socket
from smarthub_portal.settings_checks import check_addresses, check_sign_in

# openpyxl takes lxml where something has installed it, and that reads XML without defusedxml's checks.
os.environ["OPENPYXL_LXML"] = "False"

CONFIG = configuration.load()
CONFIG_OPTIONS = configuration.OPTIONS
BASE_DIR = configuration.BASE_DIR
DATA_DIR = CONFIG["DATA_DIR"]
MODE = CONFIG.mode
DEMO = MODE == "demo"

check_addresses(CONFIG)
check_sign_in(CONFIG)
if MODE == "production":
    # Asked for at the start, not at the first request: a portal that runs is one that is set up.
    missing = [o.name for o in configuration.OPTIONS if o.required and not CONFIG[o.name]]
    if missing:
        raise ImproperlyConfigured(
            f"Set {', '.join(missing)} in the environment (see README, Configuration), or run `make demo`."
        )
    if CONFIG["DEBUG"]:
        raise ImproperlyConfigured("DEBUG is refused in production.")
    if "*" in CONFIG["ALLOWED_HOSTS"]:
        raise ImproperlyConfigured("ALLOWED_HOSTS: a wildcard is refused in production.")
    if len(CONFIG["SECRET_KEY"]) < 50 or CONFIG["SECRET_KEY"].startswith("django-insecure"):
        raise ImproperlyConfigured("SECRET_KEY: give 50 or more random characters.")

SECRET_KEY = CONFIG["SECRET_KEY"]
SECRET_KEY_FALLBACKS = CONFIG["SECRET_KEY_FALLBACKS"]
DEBUG = CONFIG["DEBUG"]
ALLOWED_HOSTS = CONFIG["ALLOWED_HOSTS"]
CSRF_TRUSTED_ORIGINS = CONFIG["CSRF_TRUSTED_ORIGINS"]

INSTALLED_APPS = [
    "notifications",
    "sms",
    "operations",
    "sims",
    "staff",
    "core",
    "staff.admin_config.PortalAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django.contrib.postgres",
    "django_htmx",
    "django_tables2",
    "django_filters",
    "template_partials",
    "csp",
    "axes",
    "allauth.account",
    "allauth.socialaccount",
    "allauth.mfa",
    "lucide",
    "chartkick.django",
    "django_countries",
]

MIDDLEWARE = [
    "core.headers.HeadersMiddleware",
    "core.middleware.WebhookMiddleware",
    "core.middleware.RequestIdMiddleware",
    "core.middleware.MetricsMiddleware",
    "core.middleware.ProbeMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "core.middleware.HtmxMiddleware",
    "staff.middleware.SignInMiddleware",
    "core.middleware.TimeZoneMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "smarthub_portal.urls"
WEBHOOK_URLCONF = "notifications.urls_receiver"
WSGI_APPLICATION = "smarthub_portal.wsgi.application"

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "core.context_processors.portal",
            ],
        },
    }
]

DATABASES: dict[str, Any] = {
    "default": environ.Env.db_url_config(CONFIG["DATABASE_URL"])
    if CONFIG["DATABASE_URL"]
    else {"ENGINE": "django.db.backends.sqlite3", "NAME": str(DATA_DIR / "portal.sqlite3")}
}
# What the address says after its question mark (sslmode, host of a socket) comes first.
DATABASES["default"].setdefault("OPTIONS", {})
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["OPTIONS"] |= {
        # A writer takes its lock at the start: two workers wait for each other instead of failing half-way.
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-32000;",
    }
else:
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
    # Two filters are two bitmaps of the fleet, which the default of 4 MB makes coarse. To compile a statement (jit)
    # takes longer than any of ours runs; to have thousands of rows found by helping processes longer than to find them.
    # A page read out of turn costs 4 by default, as on a turning disk: half an index is read then for what 10,000
    # look-ups find.
    # A pooler that takes no options at the start wants an empty `?options=`.
    DATABASES["default"]["OPTIONS"].setdefault(
        "options", "-c work_mem=32MB -c jit=off -c random_page_cost=1.1 -c parallel_tuple_cost=2"
    )
    # A database behind a network that swallows everything is an error after some seconds, not a hang for hours.
    DATABASES["default"]["OPTIONS"] = {
        "connect_timeout": 5,
        "tcp_user_timeout": 10_000,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
    } | DATABASES["default"]["OPTIONS"]
    DATABASES["default"]["OPTIONS"]["pool"] = {"min_size": 1, "max_size": 16, "timeout": 10}
DATABASES["default"]["CONN_MAX_AGE"] = 0 if "pool" in DATABASES["default"]["OPTIONS"] else 60

REDIS_URL = CONFIG["REDIS_URL"] or f"unix://{valkey_socket(DATA_DIR)}"
# Celery's transport writes an address on a unix socket in its own way.
_BROKER_URL = REDIS_URL.replace("unix://", "redis+socket://", 1).replace("?db=", "?virtual_host=", 1)
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "cache",
        # Whoever asks can do without an answer, but not wait for one: a push is stored before it is answered.
        "OPTIONS": {"socket_connect_timeout": 1, "socket_timeout": 1, "retry": Retry(NoBackoff(), 0)},
    }
}

# `file` writes e-mails into files. Without a mail server, e-mails wait and say so (notifications.services.emails).
_MAIL_URL = f"filemail:///{DATA_DIR / 'mail'}" if CONFIG["EMAIL_URL"] == "file" else CONFIG["EMAIL_URL"]
_MAIL: dict[str, Any] = environ.Env.email_url_config(_MAIL_URL or "dummymail://")
EMAIL_BACKEND = _MAIL.get("EMAIL_BACKEND", "django.core.mail.backends.smtp.EmailBackend")
EMAIL_FILE_PATH = _MAIL.get("EMAIL_FILE_PATH") or None
EMAIL_HOST = _MAIL.get("EMAIL_HOST") or "localhost"
EMAIL_PORT = _MAIL.get("EMAIL_PORT") or 25
EMAIL_HOST_USER = _MAIL.get("EMAIL_HOST_USER") or ""
EMAIL_HOST_PASSWORD = _MAIL.get("EMAIL_HOST_PASSWORD") or ""
EMAIL_USE_TLS = _MAIL.get("EMAIL_USE_TLS", False)
EMAIL_USE_SSL = _MAIL.get("EMAIL_USE_SSL", False)
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = SERVER_EMAIL = CONFIG["DEFAULT_FROM_EMAIL"]

AUTH_USER_MODEL = "staff.User"
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "staff.backends.PortalBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "staff:login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "staff:login"
AXES_FAILURE_LIMIT = CONFIG["LOGIN_FAILURES"]
AXES_COOLOFF_TIME = CONFIG["LOGIN_LOCKOUT_MINUTES"] / 60
AXES_HANDLER = "staff.lockout.LockoutHandler"
AXES_CLIENT_IP_CALLABLE = "staff.lockout.address_of"
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
# Who goes on trying must not be able to keep the right person out for ever.
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_SENSITIVE_PARAMETERS = ["username", "ip_address", "code", "old_password", "new_password1", "new_password2"]
AXES_LOCKOUT_TEMPLATE = "staff/locked.html"
AXES_VERBOSE = False

# Of allauth: second factors, and the way to an OpenID Connect provider and back. No page of its own has an address.
MFA_ADAPTER = "staff.second_factor.FactorAdapter"
MFA_TOTP_ISSUER = "SmartHub Portal"
MFA_TOTP_TOLERANCE = 1
ACCOUNT_EMAIL_VERIFICATION = SOCIALACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_RATE_LIMITS = False  # all guessing is counted in one place: staff.lockout

SESSION_COOKIE_AGE = CONFIG["SESSION_AGE"]
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = MODE == "production"
if MODE == "production":
    # A browser takes a cookie of such a name from this very host alone, over TLS: no neighbour can plant one.
    SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = "__Host-sessionid", "__Host-csrftoken"
SECURE_HSTS_SECONDS = CONFIG["SECURE_HSTS_SECONDS"] if MODE == "production" else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = MODE == "production"
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
if CONFIG["BEHIND_PROXY"]:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
X_FRAME_OPTIONS = "DENY"
CSRF_FAILURE_VIEW = "core.views.errors.csrf_failure"
CSP_REPORTS = "/csp-reports/"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [NONCE],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "object-src": [NONE],
        "manifest-src": [SELF],
        "report-uri": [CSP_REPORTS],
        "report-to": ["csp"],
    }
}

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English")]
LOCALE_PATHS = [BASE_DIR / "locale"]
FORMAT_MODULE_PATH = ["core.formats"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = CONFIG["TIME_ZONE"]
STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if MODE == "production"
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}
# Outside of production the files are served from where they lie: no collecting at the start, no stale copy.
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = MODE != "production"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
# 100,000 pasted identifiers with some text around them.
DATA_UPLOAD_MAX_MEMORY_SIZE = 12 * 1024 * 1024
DJANGO_TABLES2_TEMPLATE = "components/table.html"

CELERY_BROKER_URL = _BROKER_URL if REDIS_URL.startswith("unix://") else REDIS_URL
CELERY_TASK_IGNORE_RESULT = True
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# Rows are the truth and a dispatcher finds what is due: a request must not hang on a broker that is away.
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "socket_connect_timeout": 1,
    "socket_timeout": 2,
    "visibility_timeout": 3600,
}
CELERY_TASK_PUBLISH_RETRY = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TIMEZONE = "UTC"
CELERY_TASK_DEFAULT_QUEUE = "agent"
CELERY_TASK_ROUTES = schedule.ROUTES
CELERY_BEAT_SCHEDULE = schedule.beat_schedule(CONFIG)

LOGGING = logs.logging_settings(level=CONFIG["LOG_LEVEL"], form=CONFIG["LOG_FORMAT"])

sentry.start(CONFIG)

if "pytest" in sys.modules and MODE != "test":
    raise ImproperlyConfigured("Tests run with the settings of tests/settings.py.")
