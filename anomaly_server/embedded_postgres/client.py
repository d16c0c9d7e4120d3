"""`manage.py dbshell` on the embedded server."""

import signal
import subprocess
from collections.abc import Iterable

from django.db.backends.postgresql import client

from anomaly_server.embedded_postgres import tools


class DatabaseClient(client.DatabaseClient):
    def runshell(self, parameters: Iterable[str]) -> None:
        # Ctrl-C is for psql, where it ends the query and not the shell.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            subprocess.run(
                [tools.program("psql"), *parameters],
                env=tools.environment(self.connection),
                check=True,
            )
        finally:
            signal.signal(signal.SIGINT, before)
