"""Where a webhook may go: to public addresses only, looked up once and connected to as looked up.

An endpoint's URL is a stranger's text, and our server stands inside somebody's network: without this it could be made
to speak to a database, a router or a cloud's metadata service (server-side request forgery). Checking the name first
and connecting by the name afterwards would not do, because the second look-up may answer otherwise.
"""

import contextlib
import http.client
import ipaddress
import socket
import ssl
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple
from urllib.parse import urlsplit

URL_CHARACTERS = 2_000
# Protocol assignments (RFC 6890), which older Pythons take for global.
ASSIGNED = ipaddress.IPv4Network("192.0.0.0/24")
# Translators take these networks' addresses to the IPv4 address that is written in them (RFC 6052, RFC 8215).
NAT64 = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("64:ff9b:1::/48"))

Address = IPv4Address | IPv6Address


class TargetError(ValueError):
    """The URL cannot be an endpoint; the text is a sentence for people."""


class Target(NamedTuple):
    """A URL's parts as far as a request needs them."""

    is_https: bool
    host: str
    port: int
    path: str

    @property
    def host_header(self) -> str:
        name = f"[{self.host}]" if ":" in self.host else self.host
        return name if self.port == (443 if self.is_https else 80) else f"{name}:{self.port}"


def parse(url: str, *, allow_http: bool) -> Target:
    """The target that a URL names. Raises TargetError; nothing is looked up."""
    if len(url) > URL_CHARACTERS or not url.isascii() or not url.isprintable() or " " in url:
        raise TargetError(f"Give a URL of at most {URL_CHARACTERS:,} ASCII characters, without blanks.")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise TargetError(f"This is no URL: {error}.") from error
    if parts.scheme not in ("https", "http") or not host:
        raise TargetError("Give a whole URL, such as https://example.com/hooks.")
    if parts.scheme == "http" and not allow_http:
        raise TargetError("Use https: over http anybody on the way could read and change what is told.")
    if parts.username is not None or parts.password is not None:
        raise TargetError("No user name or password in the URL: what arrives is known by its signature.")
    if parts.fragment:
        raise TargetError("Leave out what follows the #: it is never sent.")
    is_https = parts.scheme == "https"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(is_https, host, (443 if is_https else 80) if port is None else port, path)


def is_public(address: Address) -> bool:
    """Whether the address is somebody's on the open internet, also where it is written inside another one."""
    if isinstance(address, IPv6Address):
        inner = _inside(address)
        if inner is not None:
            return is_public(inner)
        # Teredo tunnels end at hosts behind home routers.
        if address.teredo or address.is_site_local:
            return False
    elif address in ASSIGNED:
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def connect(target: Target, *, timeout_s: float, allow_private: bool) -> http.client.HTTPConnection:
    """A connection to the target, open, its certificate checked against the name.

    Raises TargetError where no address of the name is public, OSError where it does not answer in time.
    """
    connection = http.client.HTTPConnection(target.host, target.port, timeout=timeout_s)
    plain = _opened(_addresses(target, allow_private=allow_private), target.port, timeout_s)
    try:
        connection.sock = _secured(plain, target) if target.is_https else plain
    except BaseException:
        plain.close()
        raise
    return connection


def _addresses(target: Target, *, allow_private: bool) -> list[str]:
    """What the name means, as far as we may go there."""
    found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    addresses = [str(entry[4][0]) for entry in found]
    # A link-local address carries the name of an interface behind a %.
    allowed = [one for one in addresses if allow_private or is_public(ipaddress.ip_address(one.partition("%")[0]))]
    if not allowed:
        raise TargetError(f"{target.host} leads to no public address.")
    return allowed


def _opened(addresses: list[str], port: int, timeout_s: float) -> socket.socket:
    """A connection to the first of the addresses that answers."""
    for address in addresses[:-1]:
        with contextlib.suppress(OSError):
            return socket.create_connection((address, port), timeout=timeout_s)
    return socket.create_connection((addresses[-1], port), timeout=timeout_s)


def _secured(plain: socket.socket, target: Target) -> ssl.SSLSocket:
    return ssl.create_default_context().wrap_socket(plain, server_hostname=target.host)


def _inside(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that the packets would go to in the end."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if any(address in network for network in NAT64):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    # The deprecated form ::a.b.c.d; :: and ::1 are what they are.
    if 1 < int(address) < 1 << 32:
        return IPv4Address(int(address))
    return None
