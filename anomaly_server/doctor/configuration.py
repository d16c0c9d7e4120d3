"""The settings. Those that stop every start, such as a SECRET_KEY that is missing, never come so far."""

from django.conf import settings

from anomaly_server.doctor.findings import Finding, error, ok, warning

LOCAL = frozenset({"localhost", "127.0.0.1", "[::1]", "::1"})
# Of 40 random characters, hexadecimal digits even, nearly all have more different ones.
DIFFERENT_CHARACTERS = 10


def secret_key() -> Finding:
    name = "secret key"
    if len(set(settings.SECRET_KEY)) < DIFFERENT_CHARACTERS:
        return error(
            name,
            "SECRET_KEY has so few different characters that it can be guessed.",
            "Set a random one, as in docs/operations.md, Changing SECRET_KEY.",
        )
    if earlier := len(settings.SECRET_KEY_FALLBACKS):
        return warning(
            name,
            f"Earlier values of SECRET_KEY still count ({earlier}).",
            "Run `manage.py reseal`, and take them out of SECRET_KEY_FALLBACKS two weeks after the change.",
        )
    return ok(name, f"{len(settings.SECRET_KEY)} characters, no earlier one still counts.")


def debug() -> Finding:
    if settings.DEBUG:
        return error("debug", "DEBUG is on: error pages show strangers how it looks inside.", "Set DEBUG=false.")
    return ok("debug", "DEBUG is off.")


def is_local() -> bool:
    """Only this machine can reach the server, by none but its own names."""
    return settings.HOST in LOCAL and set(settings.ALLOWED_HOSTS) <= LOCAL


def hosts() -> Finding:
    names = ", ".join(settings.ALLOWED_HOSTS)
    if "*" in settings.ALLOWED_HOSTS:
        return warning("hosts", "It answers to any name.", "List its own names in ALLOWED_HOSTS.")
    if settings.HOST not in LOCAL and set(settings.ALLOWED_HOSTS) <= LOCAL:
        return warning(
            "hosts",
            f"It listens on {settings.HOST}, and answers to {names} only: others get 400.",
            "Add the names by which others reach it to ALLOWED_HOSTS.",
        )
    return ok("hosts", f"It answers to {names}.")


def https() -> Finding:
    if settings.HTTPS_ONLY:
        return ok("https", "HTTPS_ONLY is on: redirect, secure cookies, HSTS.")
    if is_local():
        return ok("https", "HTTPS_ONLY is off, and only this machine reaches the server.")
    return warning(
        "https",
        "HTTPS_ONLY is off: passwords, keys and payments go over the network as they are.",
        "Put a proxy in front that ends TLS, and set HTTPS_ONLY=true.",
    )
