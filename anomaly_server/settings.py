"""The settings of the server: the only reader of the environment.

Every setting comes from the environment or from `.env` beside `manage.py`; `.env.example` lists them
all. A missing secret or an unknown value stops the start with a sentence that says what to do.
"""

import sys
from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

from anomaly_server import compiled, logs, rest, security, unfold

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()


def read_env_file() -> None:
    """Take what the environment does not say from ENV_FILE, `.env` beside `manage.py` if not set."""
    named = env.str("ENV_FILE", default="")
    path = Path(named or BASE_DIR / ".env")
    if not named and not path.exists():
        return
    try:
        # environ passes over a file it cannot read, and then the secret seems to be missing.
        path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ImproperlyConfigured(f"The settings file {path} cannot be read: {reason}.") from error
    env.read_env(path)


read_env_file()

BOOLEANS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


def flag(name: str, *, default: bool) -> bool:
    """The boolean setting `name`; anything but a plain yes or no stops the start."""
    text = env.str(name, default="").strip().lower()
    if text == "":
        return default
    if text not in BOOLEANS:
        raise ImproperlyConfigured(f"{name}={text!r} is neither true nor false: set it to 'true' or 'false'.")
    return BOOLEANS[text]


def number(name: str, *, default: int, low: int, high: int) -> int:
    """The whole-number setting `name`, which must lie in [low, high]."""
    text = env.str(name, default="").strip() or str(default)
    if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
        raise ImproperlyConfigured(f"{name}={text!r}: set it to a whole number from {low} to {high}.")
    return int(text)


def choice(name: str, *, default: str, options: tuple[str, ...]) -> str:
    """The setting `name`, which must be one of `options`."""
    text = env.str(name, default="").strip() or default
    if text not in options:
        raise ImproperlyConfigured(f"{name}={text!r}: set it to one of {', '.join(options)}.")
    return text


def words(name: str, *, default: list[str]) -> list[str]:
    """The comma-separated setting `name`."""
    text = env.str(name, default="").strip()
    return [word.strip() for word in text.split(",") if word.strip()] or default


def secret_key() -> str:
    """SECRET_KEY, at least 40 characters: sessions and tokens are signed with it."""
    text: str = env.str("SECRET_KEY", default="")
    if len(text) < 40:
        raise ImproperlyConfigured(
            "SECRET_KEY is missing or shorter than 40 characters: run `make .env`, or put "
            "SECRET_KEY=<60 random characters> into .env or the environment."
        )
    return text


def earlier_secret_keys() -> list[str]:
    """SECRET_KEY_FALLBACKS, each as long as a SECRET_KEY: they still sign."""
    keys = words("SECRET_KEY_FALLBACKS", default=[])
    if any(len(key) < 40 for key in keys):
        raise ImproperlyConfigured(
            "SECRET_KEY_FALLBACKS has a key shorter than 40 characters: give earlier values of SECRET_KEY, "
            "separated by commas, or none."
        )
    return keys


def database(name: str, url: str) -> dict[str, Any]:
    """Django's settings for the PostgreSQL URL in the setting `name`, with the pool that keeps connections open."""
    # The sentence does not repeat the URL: there is a password in it.
    sentence = f"{name} is not the address of a PostgreSQL database: use postgresql://USER:PASSWORD@HOST:PORT/NAME."
    if not url.startswith(("postgresql://", "postgres://")):
        raise ImproperlyConfigured(sentence)
    try:
        parsed: dict[str, Any] = environ.Env.db_url_config(url)
    except ValueError as error:
        raise ImproperlyConfigured(f"{sentence} {error}.") from error
    if not parsed["NAME"]:
        raise ImproperlyConfigured(sentence)
    options = {**parsed.get("OPTIONS", {}), **CONNECTION_OPTIONS}
    return {**parsed, "ENGINE": "anomaly_server.postgres", "OPTIONS": options}


SECRET_KEY = secret_key()
# Earlier ones, which still open what was signed or sealed with them.
SECRET_KEY_FALLBACKS = earlier_secret_keys()
DEBUG = flag("DEBUG", default=False)
ALLOWED_HOSTS = words("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = words("CSRF_TRUSTED_ORIGINS", default=[])
LOG_LEVEL = choice("LOG_LEVEL", default="INFO", options=("DEBUG", "INFO", "WARNING", "ERROR"))
LOG_FORMAT = choice("LOG_FORMAT", default="auto", options=logs.STYLES)
LOGGING = logs.configure(level=LOG_LEVEL, style=LOG_FORMAT)
# Behind a proxy that ends TLS: redirect to https, secure cookies, HSTS.
HTTPS_ONLY = flag("HTTPS_ONLY", default=False)
# Read by gunicorn (anomaly_server/gunicorn.py), named here so that one module knows every setting.
HOST = env.str("HOST", default="").strip() or "127.0.0.1"
PORT = number("PORT", default=8000, low=1, high=65535)
WEB_CONCURRENCY = number("WEB_CONCURRENCY", default=2, low=1, high=256)
WEB_THREADS = number("WEB_THREADS", default=4, low=1, high=256)
# No statement of a request takes longer; commands and the worker take as long as they need.
WEB_STATEMENT_TIMEOUT_S = number("WEB_STATEMENT_TIMEOUT_S", default=30, low=1, high=3600)
# Connections that may listen to the live stream at a time, in each process.
STREAM_LISTENERS = number("STREAM_LISTENERS", default=500, low=0, high=100_000)
# Whoever sends it as a bearer token may read /metrics. Empty: who asks from this machine, not through a proxy.
METRICS_TOKEN = env.str("METRICS_TOKEN", default="").strip()
# Show /api/schema/ and /api/docs/ to people who are not logged in.
PUBLIC_DOCS = flag("PUBLIC_DOCS", default=False)

# Requests a minute that a key may make which has no limit of its own; 0: as many as it likes.
API_RATE_LIMIT = number("API_RATE_LIMIT", default=0, low=0, high=1_000_000_000)

# Scoring: an anomaly is kept from this score on; analysts take this many new cases a day.
ANOMALY_FLOOR = number("ANOMALY_FLOOR", default=40, low=1, high=100)
ALERT_BUDGET = number("ALERT_BUDGET", default=100, low=1, high=1_000_000)
# A transaction that comes in alone is scored before it is answered; false leaves it to the worker.
LIVE_SCORING = flag("LIVE_SCORING", default=True)
compiled.keep_in(BASE_DIR / Path(env.str("COMPILED_DIR", default="") or "var/compiled").expanduser())
# After so many seconds a process reads anew what live scores go by: references and threshold (`anomalies.renewed`).
LIVE_CACHE_S = 5.0

# Webhooks: where they may go beyond https and public addresses, and how long one may take.
WEBHOOK_ALLOW_PRIVATE = flag("WEBHOOK_ALLOW_PRIVATE", default=False)
WEBHOOK_ALLOW_HTTP = flag("WEBHOOK_ALLOW_HTTP", default=DEBUG)
WEBHOOK_TIMEOUT_S = number("WEBHOOK_TIMEOUT_S", default=10, low=1, high=60)
# Events, and the log of their deliveries, are kept for so many days.
OUTBOX_DAYS = number("OUTBOX_DAYS", default=7, low=4, high=365)

CONNECTION_OPTIONS: dict[str, Any] = {
    # The pool's size is what one process may hold open: its threads, and one more for background work.
    "pool": {"min_size": 1, "max_size": WEB_THREADS + 2, "timeout": 10},
    # Django turns prepared statements off. This lets those be prepared that ask for it (`anomalies.prepared`), and no
    # others, however often they come: planning the primary query takes three times as long as executing it.
    "prepare_threshold": sys.maxsize,
}


def request_options(options: dict[str, Any]) -> dict[str, Any]:
    """The options of a connection that serves requests: nobody waits for a database that is away, or for ever."""
    limits = f"-c statement_timeout={WEB_STATEMENT_TIMEOUT_S}s -c idle_in_transaction_session_timeout=60s"
    return {
        "connect_timeout": 3,
        **options,
        "options": f"{options.get('options', '')} {limits}".strip(),
        # The pool gives up early and begins anew with the next request. Else it would ask a database that was away
        # for ten minutes as seldom as every five.
        "pool": {**options["pool"], "timeout": 3, "reconnect_timeout": 2},
    }


DATABASE_URL = env.str("DATABASE_URL", default="")
DATABASE_OWNER_URL = env.str("DATABASE_OWNER_URL", default="")
# Where the embedded PostgreSQL keeps its data, used while DATABASE_URL is not set.
EMBEDDED_POSTGRES_DIR = BASE_DIR / Path(env.str("EMBEDDED_POSTGRES_DIR", default="") or "var/postgres").expanduser()
# The tests give up what would survive a power cut, for speed.
EMBEDDED_POSTGRES_DURABLE = True

DATABASES: dict[str, dict[str, Any]] = {
    "default": database("DATABASE_URL", DATABASE_URL)
    if DATABASE_URL
    else {"ENGINE": "anomaly_server.embedded_postgres", "NAME": "anomaly", "OPTIONS": CONNECTION_OPTIONS}
}
# The role that owns the tables. `migrate` and `db` log in as it; nothing else does. None: one role does both.
DATABASE_OWNER: dict[str, Any] | None = (
    database("DATABASE_OWNER_URL", DATABASE_OWNER_URL) if DATABASE_OWNER_URL else None
)

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.staticfiles",
    "rest_framework",
    "rest_framework_api_key",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "drf_standardized_errors",
    "procrastinate.contrib.django",
    "axes",
    "anomalies",
    "transactions",
    "anomaly_server",
]

MIDDLEWARE = [
    "anomaly_server.health.Health",
    "anomaly_server.request_log.RequestLog",
    "anomaly_server.audit_log.Origin",
    "anomaly_server.pages.Shortcut",
    "django.middleware.security.SecurityMiddleware",
    "anomaly_server.pages.Statics",
    "anomaly_server.pages.Sessions",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "anomaly_server.pages.Accounts",
    "anomaly_server.pages.Messages",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "anomaly_server.pages.ContentPolicy",
    "anomaly_server.security.AdminPolicy",
    "axes.middleware.AxesMiddleware",
    "anomaly_server.pages.Landing",
]

ROOT_URLCONF = "anomaly_server.urls"
WSGI_APPLICATION = "anomaly_server.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": name}
    for name in (
        "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "anomaly_server.audit_log.MinimumLength",
        "django.contrib.auth.password_validation.CommonPasswordValidator",
        "django.contrib.auth.password_validation.NumericPasswordValidator",
    )
]
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = 0.25  # hours
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_VERBOSE = False

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "var" / "static"
STATICFILES_DIRS = [BASE_DIR / "anomaly_server" / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = HTTPS_ONLY
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS_ONLY else None
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS_ONLY else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS_ONLY
SECURE_REDIRECT_EXEMPT = [r"^livez$", r"^readyz$"]
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
CONTENT_SECURITY_POLICY = security.POLICY
UNFOLD = unfold.UNFOLD

REST_FRAMEWORK = rest.FRAMEWORK
DRF_STANDARDIZED_ERRORS = rest.ERRORS
SPECTACULAR_SETTINGS = rest.SCHEMA
