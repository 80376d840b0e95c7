"""All settings, read from the environment by typed readers; a wrong value ends the program with one line.

Every variable is described in ``.env.example``. With none of them set this runs
the demo: embedded servers, simulated channels, secrets made once and kept in the
state folder. ``DEBUG=false`` means production: then the secrets must be given.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

import dj_database_url
import django_stubs_ext
from environs import Env, EnvError

from . import channels, embedded, networks, places, staff_settings
from .admin_site import UNFOLD as UNFOLD
from .kernel.errors import Refused
from .schedule import QUEUES, ROUTES, TIMETABLE
from .staff_settings import *  # noqa: F403

# Lets annotations such as ModelAdmin[Account] be evaluated; must come before any admin module.
django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parent.parent

env = Env()
env.read_env(str(BASE_DIR / ".env"), recurse=False)


def refuse(variable: str, words: str) -> NoReturn:
    """End the program with one line about a wrong variable."""
    sys.exit(f"{variable}: {words}")


def choice(variable: str, built: dict[str, str], later: tuple[str, ...] = ()) -> str:
    """Read a variable that names one of the ``built`` backends and return its dotted path."""
    name = env.str(variable, "").strip() or next(iter(built))
    if name in built:
        return built[name]
    known = ", ".join(built)
    if name in later:
        refuse(
            variable,
            f"'{name}' is not part of this version yet; it has only {known}. Unset it or set it to that.",
        )
    refuse(variable, f"'{name[:60]}' is unknown; use {' or '.join((*built, *later))}.")


def truth(variable: str) -> bool | None:
    """Read a yes or no; None where it is not set."""
    try:
        return env.bool(variable) if env.str(variable, "").strip() else None
    except EnvError:
        refuse(variable, f"'{env.str(variable)[:60]}' is neither true nor false.")


def whole(variable: str, default: int, *, least: int, most: int) -> int:
    """Read a whole number within bounds."""
    text = env.str(variable, "").strip() or str(default)
    if not (text.isascii() and text.isdigit() and len(text) < 6 and least <= int(text) <= most):
        refuse(variable, f"'{text[:60]}' is no number from {least} to {most}.")
    return int(text)


# --- What kind of start is this? Unset: the demo. true: a developer's. false: production. ---
_debug = truth("DEBUG")
DEBUG = bool(_debug)
PRODUCTION = _debug is False


def required_in_production(variable: str, make: Any = None) -> str:
    """Read a secret; the demo gets a kept random one, production must bring its own."""
    value = env.str(variable, "").strip()
    if not value and PRODUCTION:
        refuse(variable, "is not set, and DEBUG=false (production) needs it; .env.example says how to make one.")
    return value or places.kept_secret(variable.lower(), make)


def _fernet_key() -> str:
    import base64

    return base64.urlsafe_b64encode(os.urandom(32)).decode()


def _encryption_keys() -> str:
    import base64
    import binascii

    keys = required_in_production("FIELD_ENCRYPTION_KEY", _fernet_key)
    for key in keys.split(","):
        try:
            good = len(base64.urlsafe_b64decode(key.strip())) == 32
        except (binascii.Error, ValueError):
            good = False
        if not good:
            refuse(
                "FIELD_ENCRYPTION_KEY",
                "is not 32 bytes in URL-safe base64; .env.example says how to make one.",
            )
    return keys


def _port() -> int:
    text = env.str("PORT", "").strip() or "8000"
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65535):
        refuse("PORT", f"'{text[:60]}' is no port; use a number from 1 to 65535.")
    return int(text)


def _public_base_url() -> str:
    text = env.str("PUBLIC_BASE_URL", "").strip() or f"http://127.0.0.1:{PORT}"
    try:
        parts = urlsplit(text)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.path in ("", "/") and not parts.query
        _ = parts.port
    except ValueError:
        good = False
    if not good:
        refuse("PUBLIC_BASE_URL", f"'{text[:80]}' is no base address; write it like https://billing.example.net")
    return text.rstrip("/")


def _database() -> tuple[bool, dict[str, Any]]:
    """Return whether the database is the embedded one, and Django's settings of it."""
    url = env.str("DATABASE_URL", "").strip()
    limit = {"web": "15s"}.get(os.environ.get("PROCESS_ROLE", ""), "600s")
    options = f"-c statement_timeout={limit} -c idle_in_transaction_session_timeout=600s -c timezone=UTC"
    common: dict[str, Any] = {"CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True, "ATOMIC_REQUESTS": False}
    if not url:
        own = {
            "ENGINE": "django.db.backends.postgresql", "NAME": embedded.DATABASE, "USER": "app",
            "HOST": str(PLACE.sockets), "PORT": "5432",
            "OPTIONS": {"options": options, "connect_timeout": 10},
        }  # fmt: skip
        return True, own | common
    mend = "write it like postgres://user:password@host:5432/name"
    scheme = url.partition("://")[0]
    if scheme not in ("postgres", "postgresql"):
        refuse("DATABASE_URL", f"'{scheme[:30]}' is no PostgreSQL address; {mend}.")
    try:
        given: dict[str, Any] = dict(dj_database_url.parse(url))
    except (ValueError, TypeError) as error:  # the url may hold a password: it is not repeated
        refuse("DATABASE_URL", f"cannot be read ({type(error).__name__}); {mend}.")
    if not given.get("NAME"):
        refuse("DATABASE_URL", f"names no database; {mend}.")
    asked = dict(given.get("OPTIONS") or {})
    asked["options"] = f"{options} {asked.get('options', '')}".strip()
    asked.setdefault("connect_timeout", 10)
    return False, given | common | {"OPTIONS": asked}


def _broker() -> tuple[bool, str]:
    """Return whether the broker is the embedded one, and Celery's address of it."""
    url = env.str("REDIS_URL", "").strip()
    if not url:
        return True, f"redis+socket://{PLACE.valkey_socket}"
    parts = urlsplit(url)
    if parts.scheme == "unix" and parts.path:
        return False, f"redis+socket://{parts.path}"
    if parts.scheme in ("redis+socket",) and parts.path:
        return False, url
    try:
        good = parts.scheme in ("redis", "rediss") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        good = False
    if not good:
        refuse("REDIS_URL", "is no Redis address; write it like redis://host:6379/0 or unix:///path/to/socket.")
    return False, url


try:
    PLACE = places.place(servers=not (env.str("DATABASE_URL", "") and env.str("REDIS_URL", "")))
except Refused as refused:
    sys.exit(str(refused))

SECRET_KEY = required_in_production("SECRET_KEY")
# One key, or several with commas: the first one encrypts, all of them decrypt.
FIELD_ENCRYPTION_KEY = _encryption_keys()
PORT = _port()
PUBLIC_BASE_URL = _public_base_url()

ALLOWED_HOSTS = [host.strip() for host in env.str("ALLOWED_HOSTS", "").split(",") if host.strip()]
if not ALLOWED_HOSTS:
    if PRODUCTION:
        refuse("ALLOWED_HOSTS", "is not set, and DEBUG=false (production) needs it; name the hosts, with commas.")
    ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]", urlsplit(PUBLIC_BASE_URL).hostname or "localhost"]

# --- Servers ---
EMBEDDED_DATABASE, _default = _database()
EMBEDDED_BROKER, BROKER_URL = _broker()
EMBEDDED_DATABASE_KEEPER = "billing_project.embedded.keep"
# What runs the whole program on a database of its own, for measurements.
TRIAL = "billing_project.trial"
DATABASES = {"default": _default}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
# Of each process alone: nothing may depend on a cache, and the pages must work while Redis is down.
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}

# --- The outside world: each port's adapter, by dotted path (channels.py reads their variables) ---
try:
    _mail, _phone = channels.read_mail(env), channels.read_phone(env)
    # Whom to believe about a visitor's address (accounts/client_address.py).
    TRUSTED_PROXIES = networks.read_networks(env, "TRUSTED_PROXIES")
    # Where outgoing webhooks may go beside the public internet (kernel/destinations.py).
    WEBHOOK_PRIVATE_NETWORKS = networks.read_networks(env, "WEBHOOK_PRIVATE_NETWORKS")
    STAFF_TWO_FACTOR = staff_settings.read_two_factor(env, "STAFF_TWO_FACTOR", debug=_debug)
except channels.Wrong as wrong:
    refuse(wrong.variable, wrong.words)
EMAIL_CHANNEL, EMAIL_PROVIDER, EMAIL_BACKEND = _mail.channel, _mail.provider, _mail.backend
EMAIL_HOST: str = _mail.server.get("EMAIL_HOST", "localhost")
EMAIL_PORT: int = _mail.server.get("EMAIL_PORT", 25)
EMAIL_HOST_USER: str = _mail.server.get("EMAIL_HOST_USER", "")
EMAIL_HOST_PASSWORD: str = _mail.server.get("EMAIL_HOST_PASSWORD", "")
EMAIL_USE_TLS: bool = _mail.server.get("EMAIL_USE_TLS", False)
EMAIL_USE_SSL: bool = _mail.server.get("EMAIL_USE_SSL", False)
EMAIL_TIMEOUT: int = channels.SMTP_SECONDS
ANYMAIL = _mail.anymail
SMS_CHANNEL, VOICE_CHANNEL = _phone.channels["SMS_CHANNEL"], _phone.channels["VOICE_CHANNEL"]
TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN = _phone.account_sid, _phone.auth_token
TWILIO_FROM, TWILIO_API_BASE = _phone.sender, _phone.api_base
PAYMENT_GATEWAY = choice(
    "PAYMENT_GATEWAY",
    {
        "sandbox": "invoicing.gateways.sandbox.SandboxGateway",
        "stripe": "invoicing.gateways.stripe_gateway.StripeGateway",
    },
)
# What is wrong with these is said by the checks of invoicing/gateways/checks.py.
STRIPE_SECRET_KEY = env.str("STRIPE_SECRET_KEY", "").strip()
STRIPE_WEBHOOK_SECRET = env.str("STRIPE_WEBHOOK_SECRET", "").strip()
STRIPE_API_BASE = env.str("STRIPE_API_BASE", "").strip()
STRIPE_SILENT_HOURS = whole("STRIPE_SILENT_HOURS", 6, least=1, most=168)


# --- The customer's line while they pay (netenforce/operations/windows.py) ---
PAYMENT_WINDOW_MINUTES = whole("PAYMENT_WINDOW_MINUTES", 15, least=5, most=60)
PAYMENT_WINDOWS_A_DAY = whole("PAYMENT_WINDOWS_A_DAY", 2, least=0, most=10)
PAYMENT_WINDOWS_A_CASE = whole("PAYMENT_WINDOWS_A_CASE", 3, least=0, most=50)
SWEEP_WORKERS = whole("SWEEP_WORKERS", 1, least=1, most=64)  # share a large run (docs/scaling.md)
NETWORK_PARALLEL = whole("NETWORK_PARALLEL", 16, least=1, most=64)  # devices spoken to at once (netenforce/lanes.py)

# --- Django ---
INSTALLED_APPS = [
    # unfold's parts come before the packages that each of them dresses.
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "unfold.contrib.inlines",
    "unfold.contrib.import_export",
    "unfold.contrib.simple_history",
    "billing_project.apps.DeskAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "import_export",
    "simple_history",
    "django_celery_beat",
    *staff_settings.STAFF_APPS,
    "accounts",
    "invoicing",
    "netenforce",
    "delinquency",
    "billing_project.apps.BillingProjectConfig",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "simple_history.middleware.HistoryRequestMiddleware",
    *staff_settings.STAFF_MIDDLEWARE,
    "accounts.audit.middleware.ActingMiddleware",
]
ROOT_URLCONF = "billing_project.urls"
WSGI_APPLICATION = "billing_project.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.debug",
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
AUTH_USER_MODEL = "accounts.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
LANGUAGE_CODE, FORMAT_MODULE_PATH = "en-us", "billing_project.formats"
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"
STATIC_URL = "/static/"
STATIC_ROOT = PLACE.state / "static" if PRODUCTION else None
# Uploaded logos: printed on documents, and shown to staff by the company's page.
MEDIA_ROOT = PLACE.state / "media"
MEDIA_URL = "/admin/accounts/company/"
EXPORT_ROOT = PLACE.state / "exports"  # large files that staff asked for; private, seven days
STATICFILES_DIRS = [folder for folder in (BASE_DIR / "static",) if folder.is_dir()]
# The demo serves the files from where they lie; production collects them first.
WHITENOISE_USE_FINDERS = not PRODUCTION
if PRODUCTION:
    STORAGES = {
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
        "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
    }
SESSION_COOKIE_HTTPONLY = True
X_FRAME_OPTIONS = "DENY"
CSRF_TRUSTED_ORIGINS = [PUBLIC_BASE_URL] if PUBLIC_BASE_URL.startswith("https://") else []
if PRODUCTION:
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
    # The browser itself keeps other hosts and plain http from setting them.
    SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = "__Host-sessionid", "__Host-csrftoken"
    SECURE_SSL_REDIRECT = False  # the proxy in front does that; /healthz is asked over plain HTTP
    SECURE_HSTS_SECONDS = 31_536_000
    SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = True
    SILENCED_SYSTEM_CHECKS = ["security.W008"]  # see SECURE_SSL_REDIRECT
# A clerk's list action on a few thousand rows must not be cut off by the default of 1,000.
DATA_UPLOAD_MAX_NUMBER_FIELDS = 10_000

# --- Celery: a doorbell and no more; every obligation is a row first ---
CELERY_BROKER_URL = BROKER_URL
CELERY_TASK_IGNORE_RESULT = True
CELERY_RESULT_BACKEND = None
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_SERIALIZER = CELERY_RESULT_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_ENABLE_UTC = True
CELERY_TIMEZONE = "UTC"
CELERY_TASK_SOFT_TIME_LIMIT, CELERY_TASK_TIME_LIMIT = 60, 90
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 10.0
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 3600,
    # kombu looks for tasks of dead workers only every interval x throttle: 10 s, not its 100 s.
    "unacked_restore_interval": 10,
    "unacked_restore_throttle": 1,
    "queue_order_strategy": "priority",
    "socket_connect_timeout": 2,
    "socket_timeout": 30,
}
CELERY_TASK_QUEUES, CELERY_TASK_ROUTES = QUEUES, ROUTES
CELERY_TASK_DEFAULT_QUEUE = "sweeps"
CELERY_TASK_CREATE_MISSING_QUEUES = False
CELERY_BEAT_SCHEDULE = TIMETABLE
# In memory: beat wakes every task once when it starts (celery.py), so it has nothing to remember
# and no file to lose.
CELERY_BEAT_SCHEDULER = "celery.beat:Scheduler"

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"()": "billing_project.logs.OneLine"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {
        **{
            name: {"level": "INFO"}
            for name in ("accounts", "billing_project", "delinquency", "invoicing", "netenforce")
        },
        # Its client tells what it asks and is answered below this: words of errors may repeat a key.
        "stripe": {"level": "WARNING"},
        # The web server's own words go the same way, since only there links' secrets are masked.
        "gunicorn.error": {"handlers": ["console"], "level": "WARNING", "propagate": False},
        "gunicorn.access": {"handlers": ["console"], "level": "INFO", "propagate": False},
    },
}
