"""The site and the browser of the tests in this folder, both real."""

import os
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, StorageState, expect, sync_playwright

from tests.browser import site
from tests.browser.rest import PATIENCE_MS
from tests.browser.seed import PASSWORD

expect.set_options(timeout=PATIENCE_MS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in here drives a browser."""
    for item in items:
        if item.path.parent.name == "browser":
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    """Where the seeded site answers."""
    _need_chromium()
    with site.database(f"browser_{os.getpid()}") as name:
        site.run(name, "-m", "tests.browser.seed")
        with site.served(name) as address:
            yield address


# No longer than needed: while it is open, an event loop runs, and Django refuses to work beside one.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = _need_chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=site.CHROMIUM_ARGUMENTS)
        yield browser
        browser.close()


def _need_chromium() -> str:
    path = site.chromium()
    if path is None and os.environ.get("CI") == "true":
        pytest.fail("No Chromium in CI: install Debian's package chromium.", pytrace=False)
    if path is None:
        pytest.skip("No Chromium on this machine: install Debian's package chromium to run the browser tests.")
    return path


@pytest.fixture
def complaints() -> Iterator[list[str]]:
    """What the browser complained about; a test that leaves something in here fails."""
    found: list[str] = []
    yield found
    assert found == []


@pytest.fixture(scope="module")
def sessions(browser: Browser, address: str) -> Callable[[str], StorageState]:
    """The cookies of somebody who has logged in, once for all tests."""
    known: dict[str, StorageState] = {}

    def session_of(name: str) -> StorageState:
        if name not in known:
            context = browser.new_context(base_url=address)
            context.set_default_timeout(PATIENCE_MS)
            page = context.new_page()
            page.goto("/admin/login/")
            page.fill("[name=username]", name)
            page.fill("[name=password]", PASSWORD)
            page.click("button[type=submit]")
            page.wait_for_url("**/admin/")
            known[name] = context.storage_state()
            context.close()
        return known[name]

    return session_of


@pytest.fixture
def log_in(
    browser: Browser, address: str, sessions: Callable[[str], StorageState], complaints: list[str]
) -> Iterator[Callable[..., Page]]:
    """Opens the dashboard as somebody, in a window of their own; `theme` is "light" or "dark", `zone` their clock's."""
    contexts = []

    def opened(name: str = "lead", *, theme: str = "light", scripts: bool = True, zone: str = "UTC") -> Page:
        context = browser.new_context(
            base_url=address,
            viewport={"width": 1440, "height": 900},
            color_scheme="dark" if theme == "dark" else "light",
            java_script_enabled=scripts,
            timezone_id=zone,
            storage_state=sessions(name),
        )
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: _complain(message, complaints))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto("/admin/")
        return page

    yield opened
    for context in contexts:
        context.close()


def _complain(message: ConsoleMessage, complaints: list[str]) -> None:
    """Errors and broken promises of the content security policy are complaints."""
    if message.type in ("error", "warning"):
        complaints.append(f"{message.location.get('url', '')}: {message.text}")
