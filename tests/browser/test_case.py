"""Working through cases in a real browser: by keyboard, two at once, until the lease ends, and without scripts."""

import os
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser import conftest, site
from tests.browser.rest import leaves, settle

LogIn = Callable[..., Page]
CASES = 60
CLEARED = 20


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """Cases of this module's own: it clears many."""
    conftest._need_chromium()
    with site.database(f"browser_cases_{os.getpid()}") as name:
        site.run(name, "-m", "tests.browser.seed", "people")
        site.run(name, "-m", "tests.browser.cases", str(CASES))
        yield name


@pytest.fixture(scope="module")
def address(database: str) -> Iterator[str]:
    with site.served(database, "tests.browser.unhurried") as address:
        yield address


def case_of(page: Page) -> str:
    """The id of the case in the address."""
    return page.url.split("/case/")[1].split("/")[0]


def press(page: Page, key: str) -> str:
    """Press a key that leads to another case; its id."""
    before = page.url
    page.keyboard.press(key)
    leaves(page, before)
    expect(page.locator("#case[aria-busy]")).to_have_count(0)
    return case_of(page)


def begin(page: Page) -> str:
    """From the queue to the first case, by key."""
    page.goto("/admin/anomalies/case/")
    return press(page, "n")


def closed(page: Page) -> Locator:
    """The rows of the queue's closed cases."""
    page.goto("/admin/anomalies/case/?state=closed")
    return page.locator("#result_list tbody")


def leave(page: Page) -> None:
    page.keyboard.press("r")
    expect(page.get_by_text("The case is back in the queue.")).to_be_visible()


def test_an_analyst_clears_twenty_cases_with_the_keyboard_only(log_in: LogIn):
    page = log_in("ana")
    # The other tests of this module close some, too, and run in any order.
    before = closed(page).count()
    seen = [begin(page)]
    for number in range(CLEARED):
        if number == 3:
            page.keyboard.press("m")
            page.keyboard.type("Called the holder: fine.")
            page.keyboard.press("Control+Enter")
        seen.append(press(page, "fleu"[number % 4]))
    assert len(set(seen)) == CLEARED + 1
    leave(page)
    expect(closed(page)).to_have_count(before + CLEARED)
    page.goto(f"/admin/anomalies/case/{seen[3]}/change/")
    expect(page.get_by_text("Closed: unsure")).to_be_visible()
    expect(page.get_by_text("Called the holder: fine.").first).to_be_visible()


def test_a_verdict_is_taken_back_by_key_and_the_next_case_goes_back(log_in: LogIn):
    page = log_in("ana")
    first = begin(page)
    following = press(page, "f")
    expect(page.locator(".k-undo")).to_be_visible()
    assert press(page, "z") == first
    expect(page.get_by_text("Taken back: the case is yours again.")).to_be_visible()
    expect(page.get_by_role("button", name="Fraud")).to_be_visible()
    leave(page)
    page.goto(f"/admin/anomalies/case/{following}/change/")
    expect(page.locator(".c-head .state")).to_have_text("Open")


def test_two_browsers_never_get_the_same_case(log_in: LogIn):
    pages = log_in("ana"), log_in("ben")
    for page in pages:
        page.goto("/admin/anomalies/case/")
    seen = []
    for key in "nffff":
        before = [page.url for page in pages]
        for page in pages:
            page.keyboard.press(key)
        for page, url in zip(pages, before, strict=True):
            leaves(page, url)
            expect(page.locator("#case[aria-busy]")).to_have_count(0)
            seen.append(case_of(page))
    assert len(seen) == len(set(seen)) == 10
    for page in pages:
        leave(page)


def test_a_lease_ends_another_gets_the_case_and_the_first_is_told(log_in: LogIn, database: str, complaints: list[str]):
    ana, ben = log_in("ana"), log_in("ben")
    ana.clock.install()
    case = begin(ana)
    ana.goto(f"/admin/anomalies/case/{case}/change/")
    site.run(database, "-m", "tests.browser.cases", "expire")
    assert begin(ben) == case
    ana.clock.fast_forward(1_000)
    ana.keyboard.press("Shift")
    # The browser tells its console of a refusal in its own time.
    with ana.expect_response("**/renew/") as refused, ana.expect_console_message(lambda told: "409" in told.text):
        ana.clock.fast_forward(200_000)
    assert refused.value.status == 409
    expect(ana.locator(".k-lost")).to_have_text("ben is working on this case.")
    expect(ana.get_by_role("button", name="Fraud")).to_be_disabled()
    (complaint,) = complaints
    assert "status of 409" in complaint
    complaints.clear()
    leave(ben)


def test_the_lease_is_renewed_while_somebody_works_and_only_then(log_in: LogIn):
    page = log_in("ana")
    page.clock.install()
    begin(page)
    page.goto(page.url)
    asked = []
    page.on("request", lambda request: asked.append(request.method))
    page.clock.fast_forward(200_000)
    assert "POST" not in asked
    page.keyboard.press("Shift")
    with page.expect_response("**/renew/") as renewed:
        page.clock.fast_forward(31_000)
    assert renewed.value.status == 200
    leave(page)


def test_a_case_fits_on_one_screen(log_in: LogIn):
    page = log_in("ana")
    begin(page)
    settle(page)
    assert page.evaluate("document.documentElement.scrollHeight") <= 900
    for name in ("What is odd", "When", "Verdict on the case", "Ordinarily", "The user's payments around"):
        expect(page.get_by_role("heading", name=name).first).to_be_in_viewport()
    leave(page)


def test_the_timeline_is_read_and_zoomed_by_keyboard(log_in: LogIn):
    page = log_in("ana")
    begin(page)
    page.locator(".t-area [tabindex='0']").focus()
    expect(page.locator(".t-told")).to_contain_text("910.00 EUR")
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".t-told")).to_contain_text("10.00 EUR")
    points = page.locator(".t-area [role=img]").count()
    page.keyboard.press("+")
    expect(page.locator(".t-zoom .on")).to_have_text("30 d")
    assert page.locator(".t-area [role=img]").count() < points
    page.get_by_text("As a table").click()
    expect(page.locator(".t-table tr.marked")).to_have_count(1)
    leave(page)


def test_question_mark_shows_all_keys_and_no_key_works_while_typing(log_in: LogIn):
    page = log_in("ana")
    case = begin(page)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("undo the last verdict, for ten seconds")
    page.keyboard.press("f")
    page.keyboard.press("Escape")
    # While it lies open it takes all keys, and a busy browser closes it later than the next is pressed.
    expect(page.locator("#console-keys-shown")).to_be_hidden()
    page.keyboard.press("m")
    page.keyboard.type("fleunz?")
    expect(page.locator(".c-verdict textarea")).to_have_value("fleunz?")
    assert case_of(page) == case
    page.keyboard.press("Escape")
    leave(page)


def test_times_are_the_analysts_own_and_utc_on_hover(log_in: LogIn):
    page = log_in("ana", zone="Asia/Tokyo")
    begin(page)
    shown = page.locator(".k-rows time").first
    expect(page.locator(".k-rows th").first).to_have_text("Time (Tokyo)")
    utc = shown.get_attribute("title")[:16]
    assert shown.inner_text() == page.evaluate(
        "utc => { const at = new Date(utc.replace(' ', 'T') + 'Z'); at.setTime(+at + 9 * 3600e3);"
        " return at.toISOString().slice(0, 16).replace('T', ' '); }",
        utc,
    )
    leave(page)


def test_without_a_script_a_verdict_leads_to_the_next_case_and_can_be_undone(log_in: LogIn):
    page = log_in("ana", scripts=False)
    page.goto("/admin/anomalies/case/")
    queue = page.url
    page.get_by_role("button", name="Next case").click()
    leaves(page, queue)
    first = case_of(page)
    page.fill(".c-verdict textarea", "Seen.")
    page.locator(".c-verdict").get_by_role("button", name="Expected").click()
    expect(page.get_by_text("Closed as expected, with a verdict on 1 transaction.")).to_be_visible()
    assert case_of(page) != first
    following = page.url
    page.get_by_role("button", name="Undo").click()
    leaves(page, following)
    assert case_of(page) == first
    page.get_by_role("link", name="7 d").click()
    page.wait_for_url("**days=7**")
    page.get_by_role("button", name="Release").click()
    expect(page.get_by_text("The case is back in the queue.")).to_be_visible()


def test_a_viewer_is_refused(log_in: LogIn):
    page = log_in("viewer")
    page.goto("/admin/anomalies/case/?state=open")
    expect(page.get_by_role("button", name="Next case")).to_have_count(0)
    token = page.evaluate("document.cookie.match(/csrftoken=([^;]+)/)?.[1] || ''")
    answer = page.request.post(
        "/admin/anomalies/case/next/", headers={"X-CSRFToken": token, "Referer": page.url}, form={"a": "b"}
    )
    assert answer.status == 403
    page.locator("#result_list tbody th a").first.click()
    expect(page.get_by_text("may look at cases but not judge them")).to_be_visible()
    page.keyboard.press("f")
    expect(page.locator(".c-head .state")).to_have_text("Open")
