"""The pages say what is there: settings, commands, options, addresses, files. And what is there is said."""

import argparse
import re
import shlex
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class
from django.urls import Resolver404, URLPattern, URLResolver, get_resolver, resolve

from anomaly_server.health import Health
from tests.anomaly_server.programs import ROOT, settings_read

PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXTS = {page.name: page.read_text() for page in PAGES}
EVERYTHING = "\n".join(TEXTS.values())
OPERATIONS = TEXTS["operations.md"]
OURS = {name: app for name, app in get_commands().items() if app in ("anomaly_server", "transactions", "anomalies")}
MAKE_TARGETS = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE)) | {".env"}
FOLDERS = ("docs", "tests", "benchmarks", "transactions", "anomalies", "scoring", "anomaly_server")
OF_DJANGO = {"changepassword", "createsuperuser"}


def section(title: str) -> str:
    return OPERATIONS.split(f"## {title}\n")[1].split("\n## ")[0]


def first_column(text: str) -> set[str]:
    return set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE))


def commands_shown() -> list[str]:
    """Every command line of ours in a code block or between backticks, with its continuation lines joined."""
    joined = EVERYTHING.replace("\\\n", " ")
    return [line.strip() for line in re.findall(r"(?<=manage\.py )[a-z_]+[^`\n|;]*", joined)]


def test_every_setting_is_explained_and_real() -> None:
    assert first_column(section("Settings")) == settings_read().keys()


def test_every_command_is_explained_and_real() -> None:
    assert first_column(section("Commands")) == OURS.keys()


def test_there_are_commands_to_look_at() -> None:
    assert len(commands_shown()) > 8


@pytest.mark.parametrize("line", sorted(set(commands_shown())))
def test_a_command_shown_is_understood(line: str) -> None:
    """By its own parser, so that an option that was renamed is found."""
    name, *arguments = shlex.split(line, comments=True)
    assert name in OURS.keys() | OF_DJANGO
    if not arguments:
        return
    command = load_command_class(get_commands()[name], name)
    parser = command.create_parser("manage.py", name)
    parser.error = refuse  # type: ignore[method-assign]
    parser.parse_args(arguments)


def refuse(message: str) -> None:
    raise argparse.ArgumentError(None, message)


def test_every_make_target_shown_is_one() -> None:
    lines = re.findall(r"(?:`|^)make ([^`\n]+)", EVERYTHING, re.MULTILINE)
    shown = {word for line in lines for word in line.split() if "=" not in word}
    assert shown <= MAKE_TARGETS
    assert {"run", "stop", "test"} <= shown


def prefixes(patterns: list[URLPattern | URLResolver], before: str = "/") -> set[str]:
    """The addresses without what varies in them: /api/v1/transactions/ for all below it."""
    found: set[str] = set()
    for pattern in patterns:
        route = before + str(pattern.pattern)
        if route == "/admin/" or isinstance(pattern, URLPattern):
            found.add(re.split(r"[<^]", route)[0])
        else:
            found |= prefixes(pattern.url_patterns, route)
    return found


def test_every_address_is_told() -> None:
    addresses = prefixes(get_resolver().url_patterns) - {"/"} | set(Health(lambda _: None).answers)  # type: ignore[arg-type,return-value]
    assert len(addresses) > 8
    assert {address for address in addresses if address not in EVERYTHING} == set()


@pytest.mark.parametrize("address", sorted(set(re.findall(r"/(?:api|admin)/[\w/{}]*", EVERYTHING))))
def test_every_address_told_is_one(address: str) -> None:
    filled = re.sub(r"{\w+}", "10000000-0000-4000-8000-000000000001", address)
    try:
        assert resolve(filled).url_name or filled.count("/") <= 3
    except Resolver404:
        pytest.fail(f"{address} is no address")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)", TEXTS[page.name]) + re.findall(r'(?:src|srcset)="([^"]+)"', TEXTS[page.name])
    relative = [link for link in links if not link.startswith("http")]
    assert [link for link in relative if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_named_files_are_there(page: Path) -> None:
    named = set(re.findall(rf"`((?:{'|'.join(FOLDERS)})/[\w./-]*)`", TEXTS[page.name]))
    assert {name for name in named if not (ROOT / name).exists()} == set()


def test_the_readme_is_short() -> None:
    assert TEXTS["README.md"].count("\n") <= 150
