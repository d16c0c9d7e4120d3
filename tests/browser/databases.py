"""python -m tests.browser.databases create|drop NAME"""

import sys

import django
from django.db import connection
from psycopg import sql


def main(action: str, name: str) -> None:
    statements = {"create": "CREATE DATABASE {}", "drop": "DROP DATABASE IF EXISTS {} WITH (FORCE)"}
    with connection._nodb_cursor() as cursor:
        for statement in (statements["drop"], statements[action]):
            cursor.execute(sql.SQL(statement).format(sql.Identifier(name)))


if __name__ == "__main__":
    django.setup()
    main(*sys.argv[1:])
