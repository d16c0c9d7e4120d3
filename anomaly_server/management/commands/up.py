"""`manage.py up`: everything `make run` does after the installation."""

import shlex
import socket
import sys
from typing import Any

from django.conf import settings
from django.core.management import CommandError, call_command
from django.core.management.base import BaseCommand
from django.db import connections

from anomaly_server import first_run, probe, running, statics
from anomaly_server.supervisor import Supervisor

MANAGE = [sys.executable, str(settings.BASE_DIR / "manage.py")]
GUNICORN = [sys.executable, "-m", "gunicorn", "-c", "anomaly_server/gunicorn.py", "anomaly_server.wsgi"]
PORTS_TRIED = 50
FIRST_PAGE = "/api/v1/anomalies/?ordering=score&limit=3"


class Command(BaseCommand):
    help = (
        "Prepare the database and static files, load demo data into an empty embedded PostgreSQL, then run the "
        "server and the worker until Ctrl-C or SIGTERM. PostgreSQL stays up until `down`."
    )
    requires_system_checks = ()

    def handle(self, **_options: Any) -> None:
        try:
            with running.claimed(running.path()) as record:
                self.prepare_and_serve(Supervisor(record))
        except running.AlreadyRunning as error:
            raise CommandError(f"{error} `make stop` ends it.") from error

    def prepare_and_serve(self, supervisor: Supervisor) -> None:
        port = free_port(settings.HOST, settings.PORT)
        self.say("Preparing the database ...")
        call_command("migrate", interactive=False, verbosity=0)
        if statics.collect():
            self.say("Collected the static files.")
        self.load_demo_data(supervisor)
        if supervisor.signals:
            self.say("Stopped before the server was up; `make run` goes on from here.")
            return
        if port != settings.PORT:
            self.say(f"Port {settings.PORT} is taken: using {port}.")
        self.serve(supervisor, port)

    def load_demo_data(self, supervisor: Supervisor) -> None:
        if supervisor.signals or not first_run.wants_demo_data():
            return
        self.say("Loading demo data, once ...")
        if supervisor.step("load_data", [*MANAGE, *first_run.DEMO]) not in (0, None):
            raise CommandError("The demo data could not be loaded; the reason stands above.")

    def serve(self, supervisor: Supervisor, port: int) -> None:
        close_database()
        supervisor.start("The server", GUNICORN, PORT=str(port))
        supervisor.start("The worker", [*MANAGE, "worker"])
        ended = supervisor.watch(is_ready=lambda: probe.is_ready(port), when_ready=lambda: self.welcome(port))
        self.say("Stopping ...")
        supervisor.stop()
        if ended:
            raise CommandError(f"{ended}, so everything was stopped. Its last words stand above.")

    def welcome(self, port: int) -> None:
        """Say where everything is. Password and key are made only now, when they are sure to be seen."""
        access = first_run.make_access()
        close_database()
        url = f"http://{probe.accepted_name()}:{port}"
        manage = f"{shlex.quote(sys.executable)} manage.py"
        self.say(f"\nThe server is up.\n  Console   {url}/admin/\n  API docs  {url}/api/docs/")
        if access:
            self.say(f"  Log in    {first_run.ADMIN} / {access.password}")
            self.say(f"            Shown only now. Another one: {manage} changepassword {first_run.ADMIN}")
        else:
            self.say(f"  API key   {manage} api_key create --user {first_run.ADMIN} --name NAME")
        self.say(f"\n  curl -H 'Authorization: Bearer {access.key if access else 'KEY'}' '{url}{FIRST_PAGE}'")
        self.say("\nCtrl-C ends the server; `make stop` ends PostgreSQL too.")

    def say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


def free_port(host: str, wanted: int) -> int:
    """The first port from `wanted` on that nobody holds."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    last = min(wanted + PORTS_TRIED, 65535)
    for port in range(wanted, last + 1):
        try:
            socket.create_server((host.strip("[]"), port), family=family).close()
            return port
        except OSError as error:
            reason = error
    raise CommandError(f"No port from {wanted} to {last} can be used on {host}: {reason.strerror or reason}.")


def close_database() -> None:
    """This process only waits from here on: give its connections back."""
    for connection in connections.all(initialized_only=True):
        connection.close()
        connection.close_pool()  # type: ignore[attr-defined]
