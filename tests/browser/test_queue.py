"""The queue in a real browser: thousands of cases at once, views for all, and the list by keyboard."""

import os
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser import conftest, site

LogIn = Callable[..., Page]
QUEUE = "/admin/anomalies/case/"
MANY = 2_000


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A site of this module's own: so many cases would hide those that the other modules look for."""
    conftest._need_chromium()
    with site.database(f"browser_queue_{os.getpid()}") as name:
        site.run(name, "-m", "tests.browser.seed")
        site.run(name, "-m", "tests.browser.many_cases", str(MANY))
        with site.served(name) as address:
            yield address


def test_two_thousand_cases_are_judged_after_one_question(log_in: LogIn):
    page = log_in()
    page.goto(f"{QUEUE}?currency=XTS")
    page.get_by_label(f"All {MANY:,} of this list").check()
    page.locator("#bulk [name=do]").select_option(label="Judge as legitimate")
    page.get_by_role("button", name="Go on…").click()
    expect(page.get_by_text(f"Exactly {MANY:,} cases")).to_be_visible()
    page.get_by_label("Note").fill("A test of the payment provider.")
    page.get_by_role("button", name=f"Judge {MANY:,} cases as legitimate").click()
    told = page.get_by_text(f"Cases judged and closed: {MANY:,}, with {MANY:,} verdicts.")
    expect(told).to_be_visible(timeout=300_000)
    page.wait_for_url("**currency=XTS**")
    expect(page.get_by_text("Nothing matches")).to_be_visible()
    page.goto(f"{QUEUE}?currency=XTS&outcome=legitimate")
    expect(page.get_by_text(f"{MANY:,} cases")).to_be_visible()


def test_a_lead_shares_a_view_and_others_use_it(log_in: LogIn):
    page = log_in()
    page.goto(f"{QUEUE}?level=high&amount_from=1")
    page.get_by_text("Save view").click()
    page.get_by_label("Name").fill("High amounts")
    page.get_by_role("button", name="Save these filters").click()
    page.locator(".q-menu summary").click()
    page.get_by_role("button", name="Share with everybody").click()
    expect(page.get_by_text("Everybody sees the view “High amounts” now.")).to_be_visible()
    other = log_in("viewer")
    other.goto(QUEUE)
    other.get_by_role("link", name="High amounts").click()
    other.wait_for_url("**amount_from=1&level=high**")
    expect(other.locator(".q-tabs [aria-current]")).to_contain_text("High amounts")
    expect(other.locator(".q-menu")).to_have_count(0)


def test_a_viewer_is_refused(log_in: LogIn):
    page = log_in("viewer")
    page.goto(QUEUE)
    expect(page.locator("#result_list")).to_be_visible()
    expect(page.locator(".c-pick, #bulk")).to_have_count(0)
    token = page.context.cookies()
    answer = page.request.post(
        f"{QUEUE}bulk/",
        form={"scope": "filtered", "do": "close:fraud"},
        headers={"X-CSRFToken": next(one["value"] for one in token if "csrf" in one["name"])},
    )
    assert answer.status == 403


def test_rows_are_walked_selected_and_opened_by_keyboard(log_in: LogIn):
    page = log_in()
    page.goto(f"{QUEUE}?state=todo")
    page.keyboard.press("?")
    expect(page.get_by_text("Select the case", exact=True)).to_be_visible()
    page.keyboard.press("Escape")
    # While the list of keys lies open it takes all keys, and a busy browser closes it later than the next is pressed.
    expect(page.locator(".q-keys")).to_be_hidden()
    for key in "jxjjxk":
        page.keyboard.press(key)
    expect(page.locator(".q-picked")).to_have_text("2")
    expect(page.locator("#result_list tbody").nth(1)).to_contain_class("q-here")
    wanted = page.locator("#result_list tbody").nth(1).locator("th a").get_attribute("href")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{wanted}")
    page.goto(QUEUE)
    page.keyboard.press("/")
    expect(page.locator("#searchbar")).to_be_focused()
    page.keyboard.type("jx?")
    expect(page.locator("#searchbar")).to_have_value("jx?")


def test_the_selected_are_closed_without_javascript(log_in: LogIn):
    page = log_in(scripts=False)
    page.goto(f"{QUEUE}?state=open")
    page.locator("#result_list .c-pick").first.check()
    page.locator("#bulk [name=do]").select_option(label="Close as unsure")
    page.get_by_role("button", name="Go on…").click()
    page.get_by_role("button", name="Close 1 case as unsure").click()
    expect(page.get_by_text("Cases closed: 1.")).to_be_visible()
