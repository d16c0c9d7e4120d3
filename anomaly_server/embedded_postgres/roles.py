"""The roles of the embedded server and their passwords.

`postgres` bootstraps, `anomaly_owner` owns the database and every table in it, `anomaly_app` is what the
application logs in as. Passwords are random, made at the first start, and lie in a file of mode 0600.
"""

import json
import secrets

from anomaly_server.embedded_postgres.errors import EmbeddedPostgresError
from anomaly_server.embedded_postgres.place import Place

SUPERUSER = "postgres"
OWNER = "anomaly_owner"
APP = "anomaly_app"
DATABASE = "anomaly"


def new_passwords() -> dict[str, str]:
    # URL-safe text: it needs no quoting in the SQL below.
    return {role: secrets.token_urlsafe(32) for role in (SUPERUSER, OWNER, APP)}


def bootstrap_sql(passwords: dict[str, str]) -> str:
    """One statement a line, as the single-user server reads them. The owner makes the test databases too."""
    return "".join(
        line + "\n"
        for line in (
            f"ALTER ROLE {SUPERUSER} PASSWORD '{passwords[SUPERUSER]}'",
            f"CREATE ROLE {OWNER} LOGIN CREATEDB PASSWORD '{passwords[OWNER]}'",
            f"CREATE ROLE {APP} LOGIN PASSWORD '{passwords[APP]}'",
            f"CREATE DATABASE {DATABASE} OWNER {OWNER}",
        )
    )


def read_passwords(place: Place) -> dict[str, str]:
    try:
        passwords: dict[str, str] = json.loads(place.passwords_file.read_text())
    except (FileNotFoundError, ValueError) as error:
        raise EmbeddedPostgresError(
            f"The passwords of the embedded PostgreSQL are missing: {place.passwords_file} was removed or damaged. "
            "Put it back from a copy; its data cannot be opened without it."
        ) from error
    return passwords
