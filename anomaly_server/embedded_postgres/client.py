"""`manage.py dbshell` on the embedded server."""

import subprocess
from collections.abc import Iterable

from django.db.backends.postgresql import client

from anomaly_server.embedded_postgres import tools


class DatabaseClient(client.DatabaseClient):
    def runshell(self, parameters: Iterable[str]) -> None:
        code = tools.psql(self.connection, parameters)
        if code:
            # Django turns this into its exit code.
            raise subprocess.CalledProcessError(code, self.executable_name)
