"""What strangers wrote, into every field that takes text, is text on every page: nothing of it runs."""

import os
from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from tests.browser import site
from tests.browser.rest import open_page
from tests.browser.strangers import ACCOUNT, CASE, PAYMENT, USER

LogIn = Callable[..., Page]

# The address, and how many payloads it must show at least: a page without them would prove nothing.
PAGES = {
    "/admin/": 1,
    f"/admin/anomalies/case/?state=closed&q={USER}": 2,
    f"/admin/anomalies/case/{CASE}/change/": 4,
    f"/admin/anomalies/anomaly/?q={USER}": 2,
    f"/admin/anomalies/anomaly/{PAYMENT}/change/": 5,
    f"/admin/anomalies/verdict/?q={USER}": 3,
    f"/admin/transactions/transaction/?q={USER}": 1,
    f"/admin/transactions/transaction/{PAYMENT}/change/": 5,
    f"/admin/users/{USER}/": 4,
    "/admin/users/?q=<img src=x onerror=document.title='run'>": 1,
    "/admin/anomalies/alertbudget/": 1,
    "/admin/anomalies/auditentry/": 1,
    "/admin/anomalies/modelversion/": 1,
    "/admin/transactions/load/": 1,
    "/admin/transactions/apikey/": 1,
    "/admin/auth/user/": 1,
    "/admin/auth/group/": 1,
}
PAYLOAD = "document.title="
# As text, and in what attributes say: where the pages put it as titles and the like.
SHOWN = """
payload => {
    const texts = document.createTreeWalker(document.querySelector('main, #main, body'), NodeFilter.SHOW_TEXT);
    let shown = 0;
    while (texts.nextNode()) shown += texts.currentNode.data.includes(payload);
    return shown;
}
"""
# Elements and attributes that only a payload would bring.
BROKEN_OUT = "img[src='x'], script:not([src]):not([type='application/json']), [onerror], [onmouseover], [onfocus]"


@pytest.fixture(scope="module")
def strangers(address: str) -> None:
    site.run(f"browser_{os.getpid()}", "-m", "tests.browser.strangers")


@pytest.mark.usefixtures("strangers")
def test_nothing_that_strangers_wrote_runs(log_in: LogIn, complaints: list[str]):
    page = log_in(ACCOUNT)
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    for path, least in PAGES.items():
        answer = page.goto(path)
        assert answer is not None
        assert answer.status == 200, path
        policy = answer.headers["content-security-policy"]
        script = next(part for part in policy.split(";") if part.strip().startswith("script-src"))
        assert "'unsafe-inline'" not in script, path
        assert page.evaluate(SHOWN, PAYLOAD) >= least, path
        assert page.locator(BROKEN_OUT).count() == 0, path
        assert (page.title() != "run", dialogs, complaints) == (True, [], []), path


@pytest.mark.usefixtures("strangers")
@pytest.mark.parametrize("width", [1280, 1440])
def test_no_page_becomes_wider_by_what_strangers_wrote(log_in: LogIn, width: int):
    page = log_in(ACCOUNT)
    page.set_viewport_size({"width": width, "height": 900})
    for path in PAGES:
        open_page(page, path)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), path


@pytest.mark.usefixtures("strangers")
def test_what_stays_closed_at_first_runs_nothing_either(log_in: LogIn):
    page = log_in(ACCOUNT)
    page.goto(f"/admin/anomalies/case/{CASE}/change/")
    for summary in page.locator("#content summary").all():
        if summary.is_visible():
            summary.click()
    for shown in page.locator("[title*='document.title']").all()[:5]:
        if shown.is_visible():
            shown.hover()
    assert page.title() != "run"
    assert page.evaluate(SHOWN, PAYLOAD) > 0


@pytest.mark.parametrize("path", ["/admin/login/", "/api/docs/", "/livez"])
def test_pages_outside_are_no_looser(log_in: LogIn, path: str):
    page = log_in()
    answer = page.request.get(path)
    policy = answer.headers.get("content-security-policy", "")
    assert answer.status == 200
    assert "script-src 'unsafe-inline'" not in policy
    if path == "/api/docs/":
        assert "unsafe" not in policy
