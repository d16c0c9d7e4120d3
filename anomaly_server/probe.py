"""Is the server ready? `python -m anomaly_server.probe` ends with 0 if so: the health check of the container."""

import http.client
import sys

from django.core.exceptions import ImproperlyConfigured


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


def own_name(allowed_hosts: list[str]) -> str:
    """A Host header that the server accepts: the first of ALLOWED_HOSTS."""
    first = allowed_hosts[0].removeprefix(".")
    return "localhost" if first == "*" else first


def is_ready(port: int) -> bool:
    """True if the server on this machine and port answers /readyz with 200."""
    from anomaly_server import settings

    # 0.0.0.0 and :: mean every address of this machine, but are none themselves.
    host = settings.HOST if settings.HOST not in ("0.0.0.0", "::", "[::]") else "127.0.0.1"  # noqa: S104
    return answers("/readyz", host=host.strip("[]"), port=port, name=own_name(settings.ALLOWED_HOSTS))


if __name__ == "__main__":
    try:
        from anomaly_server import settings
    except ImproperlyConfigured as error:
        sys.exit(f"error: {error}")
    sys.exit(0 if is_ready(settings.PORT) else 1)
