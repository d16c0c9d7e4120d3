"""Where webhooks may go, in all the ways in which an address can be written."""

import ipaddress
import socket
import threading
from collections.abc import Iterator

import pytest

from anomalies.webhooks import targets

PRIVATE = [
    "127.0.0.1",
    "127.1.2.3",
    "0.0.0.0",  # noqa: S104 (asked about, not bound to)
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "192.0.0.8",
    "192.0.2.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fe80::1",
    "fc00::1",
    "fd12:3456::1",
    "fec0::1",
    "ff02::1",
    "2001:db8::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::7f00:1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "64:ff9b::a00:1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::a00:1",
]
PUBLIC = ["1.1.1.1", "8.8.8.8", "172.32.0.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::"]
# Names that the system's own look-up takes for addresses of this machine.
LOCAL_HOSTS = ["localhost", "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0", "[::1]"]


@pytest.mark.parametrize("text", PRIVATE)
def test_addresses_within_somebodys_network_are_not_public(text: str) -> None:
    assert not targets.is_public(ipaddress.ip_address(text))


@pytest.mark.parametrize("text", PUBLIC)
def test_addresses_of_the_open_internet_are_public(text: str) -> None:
    assert targets.is_public(ipaddress.ip_address(text))


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("", "whole URL"),
        ("example.com/hooks", "whole URL"),
        ("ftp://example.com/", "whole URL"),
        ("file:///etc/passwd", "whole URL"),
        ("https:///hooks", "whole URL"),
        ("http://example.com/", "https"),
        ("https://user:word@example.com/", "password"),
        ("https://user@example.com/", "password"),
        ("https://example.com/#part", "#"),
        ("https://example.com:99999/", "no URL"),
        ("https://[::1/", "no URL"),
        ("https://example.com/a b", "blanks"),
        ("https://example.com/\r\nX: 1", "blanks"),
        ("https://ex\u00e4mple.com/", "ASCII"),
        ("https://example.com/" + "x" * 2_000, "2,000"),
    ],
)
def test_what_cannot_be_an_endpoint_is_told_in_a_sentence(url: str, word: str) -> None:
    with pytest.raises(targets.TargetError, match=word):
        targets.parse(url, allow_http=False)


def test_a_url_in_its_parts() -> None:
    target = targets.parse("https://Example.com:8443/hooks?of=us", allow_http=False)
    assert target == targets.Target(True, "example.com", 8443, "/hooks?of=us")
    assert target.host_header == "example.com:8443"
    assert targets.parse("http://[::1]", allow_http=True).host_header == "[::1]"


@pytest.fixture
def listener() -> Iterator[tuple[int, list[str]]]:
    """A port of this machine, and who has connected to it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        came: list[str] = []

        def work() -> None:
            while True:
                try:
                    connection, address = server.accept()
                except OSError:
                    return
                came.append(address[0])
                connection.close()

        thread = threading.Thread(target=work)
        thread.start()
        yield server.getsockname()[1], came
        server.shutdown(socket.SHUT_RDWR)
    thread.join()


@pytest.mark.parametrize("host", LOCAL_HOSTS)
def test_nothing_connects_to_this_machine_by_any_name(host: str, listener: tuple[int, list[str]]) -> None:
    port, came = listener
    target = targets.parse(f"http://{host}:{port}/", allow_http=True)
    with pytest.raises((targets.TargetError, socket.gaierror)):
        targets.connect(target, timeout_s=60, allow_private=False)
    assert came == []


def test_the_setting_allows_it(listener: tuple[int, list[str]]) -> None:
    port, _ = listener
    target = targets.parse(f"http://127.0.0.1:{port}/", allow_http=True)
    connection = targets.connect(target, timeout_s=60, allow_private=True)
    assert connection.sock.getpeername() == ("127.0.0.1", port)
    connection.close()


def test_a_certificate_of_nobody_is_refused(listener: tuple[int, list[str]]) -> None:
    port, _ = listener
    target = targets.parse(f"https://127.0.0.1:{port}/", allow_http=False)
    with pytest.raises(OSError, match=r"(?i)eof|reset|ssl"):
        targets.connect(target, timeout_s=60, allow_private=True)
