"""Is the server ready? `python -m anomaly_server.probe` ends with 0 if so: the health check of the container."""

import http.client
import os
import sys

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

EVERY_ADDRESS = ("0.0.0.0", "::", "[::]")  # noqa: S104


def answers(path: str, *, host: str, port: int, name: str) -> bool:
    """True if GET `path` at host:port, asked for by `name`, is answered with 200 within two seconds."""
    connection = http.client.HTTPConnection(host, port, timeout=2)
    try:
        connection.request("GET", path, headers={"Host": name})
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def address() -> str:
    """Where this machine reaches the server: "every address" is not one to connect to."""
    return "127.0.0.1" if settings.HOST in EVERY_ADDRESS else settings.HOST


def accepted_name() -> str:
    """A Host header that the server accepts, the plain address if possible."""
    accepted = settings.ALLOWED_HOSTS
    return address() if {address(), "*"} & set(accepted) else accepted[0].removeprefix(".")


def is_ready(port: int) -> bool:
    """True if the server on this machine and port answers /readyz with 200."""
    return answers("/readyz", host=address().strip("[]"), port=port, name=accepted_name())


def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "anomaly_server.settings")
    try:
        return 0 if is_ready(settings.PORT) else 1
    except ImproperlyConfigured as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    sys.exit(main())
