"""The settings of the tests: the real ones, with a secret of their own and a PostgreSQL of their own."""

import os
from pathlib import Path

os.environ.setdefault("SECRET_KEY", "only-for-tests-" + "x" * 40)
# A developer's .env may name his production database; no test may reach it.
os.environ["ENV_FILE"] = os.devnull
os.environ.pop("DATABASE_OWNER_URL", None)
if "TEST_DATABASE_URL" in os.environ:
    os.environ["DATABASE_URL"] = os.environ["TEST_DATABASE_URL"]
# A cluster of its own, so that no test can reach the data of `make run`.
os.environ["EMBEDDED_POSTGRES_DIR"] = str(Path(__file__).resolve().parent.parent / "var" / "postgres-test")

from anomaly_server.settings import *  # noqa: F403
from anomaly_server.settings import DATABASE_URL, DATABASES

EMBEDDED_POSTGRES_DURABLE = False
# A test that makes a reference sees it at once, and leaves nothing of it to the next test.
LIVE_CACHE_S = 0.0
if not DATABASE_URL:
    # Tests make databases and empty tables, which the application's role may not.
    DATABASES["default"]["USER"] = "anomaly_owner"

# Hashing a password as slowly as in production would take most of the suite's time.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# Static files straight from their sources: tests do not wait for collectstatic.
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}  # noqa: F405
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = True
