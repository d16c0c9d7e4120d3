"""Every page of the console, light and dark, as axe-core sees it: nothing serious, nothing critical."""

from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

from tests.browser.rest import open_page, settle

LogIn = Callable[..., Page]

LISTS = [
    "/admin/anomalies/case/",
    "/admin/anomalies/anomaly/",
    "/admin/anomalies/verdict/",
    "/admin/transactions/transaction/",
    "/admin/anomalies/auditentry/",
    "/admin/anomalies/alertbudget/",
    "/admin/anomalies/reference/",
    "/admin/anomalies/pendingscore/",
]
PAGES = ["/admin/", *LISTS, "/admin/users/", "/admin/users/00000000-0000-4000-8000-000000000005/"]
# Lists look alike.
DARK_PAGES = ["/admin/", *LISTS[:2], "/admin/users/"]
SERIOUS = ("serious", "critical")
# What depends on the theme; all else is asked once.
COLOURS = ["color-contrast", "link-in-text-block"]
# The frame that django-unfold draws around our pages is looked at as well, except for what is named in OF_UNFOLD.
RUN = """
async ([leftOut, rules]) => {
    const only = rules.length ? {runOnly: {type: 'rule', values: rules}} : {};
    const found = await axe.run({exclude: leftOut}, {resultTypes: ['violations'], iframes: false, ...only});
    return found.violations.map(one => ({
        id: one.id, impact: one.impact, help: one.help,
        nodes: one.nodes.map(node => `${node.target.join(' ')}: ${node.html.slice(0, 160)}`),
    }));
}
"""
OF_UNFOLD: list[list[str]] = []


def findings(page: Page, rules: list[str]) -> list[dict[str, Any]]:
    """The serious findings of these rules, or of all of them if none is named."""
    settle(page)
    # Through the debugger: the page's policy forbids scripts within the page.
    page.evaluate(AXE_SCRIPT)
    found: list[dict[str, Any]] = page.evaluate(RUN, [OF_UNFOLD, rules])
    return [one for one in found if one["impact"] in SERIOUS]


def single_pages(page: Page) -> list[str]:
    """A case, an anomaly, a transaction that is none, and the users of the first two."""
    addresses = []
    for address in ("/admin/anomalies/case/", "/admin/anomalies/anomaly/", "/admin/transactions/transaction/"):
        page.goto(address)
        links = page.locator("#result_list tbody th a").first.get_attribute("href")
        assert links is not None
        addresses.append(links)
    page.goto("/admin/anomalies/anomaly/")
    user = page.locator('#result_list a[href^="/admin/users/"]').first.get_attribute("href")
    assert user is not None
    return [*addresses, user]


@pytest.mark.parametrize(("theme", "rules"), [("light", []), ("dark", COLOURS)])
def test_no_page_has_a_serious_finding(log_in: LogIn, theme: str, rules: list[str]):
    page = log_in(theme=theme)
    told = []
    for path in [*(PAGES if theme == "light" else DARK_PAGES), *single_pages(page)]:
        open_page(page, path)
        told += [f"{path}: {one['id']}: {one['help']}: {one['nodes'][:3]}" for one in findings(page, rules)]
    assert told == [], "\n".join(told)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_way_in_has_no_serious_finding(log_in: LogIn, theme: str):
    page = log_in(theme=theme)
    page.context.clear_cookies()
    page.goto("/admin/login/")
    assert page.locator("[name=password]").count() == 1
    assert findings(page, []) == []


def test_the_check_sees_what_is_wrong(log_in: LogIn):
    page = log_in()
    broken = '<img src="/static/console/icon.svg"><button></button>'
    page.evaluate("html => document.querySelector('#content').insertAdjacentHTML('beforeend', html)", broken)
    assert {one["id"] for one in findings(page, [])} >= {"image-alt", "button-name"}
