#!/usr/bin/env python
"""The command line of the server."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line
from django.db import OperationalError, ProgrammingError
from psycopg.errors import UndefinedTable


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "anomaly_server.settings")
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        fail(f"error: {error}", error)
    except OperationalError as error:
        fail(f"error: the database: {error}", error)
    except ProgrammingError as error:
        if not isinstance(error.__cause__, UndefinedTable):
            raise
        fail("error: the database lacks tables of this version: run `manage.py migrate`.", error)


def fail(sentence: str, error: Exception) -> None:
    """End with exit code 1 and a sentence; `--traceback` shows where it came from, as in all of Django's commands."""
    if "--traceback" in sys.argv:
        raise error
    sys.exit(" ".join(sentence.split()))


if __name__ == "__main__":
    main()
