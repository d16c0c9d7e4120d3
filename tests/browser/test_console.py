"""The console in a real browser, on real gunicorn and PostgreSQL, with data that took the real way."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.rest import open_page, settle
from tests.browser.seed import HOSTILE

LogIn = Callable[..., Page]

PAGES = [
    "/admin/",
    "/admin/anomalies/case/",
    "/admin/anomalies/case/?state=all&level=high",
    "/admin/anomalies/anomaly/",
    "/admin/anomalies/anomaly/?txn_date_from=nonsense",
    "/admin/anomalies/verdict/",
    "/admin/anomalies/reference/",
    "/admin/anomalies/modelversion/",
    "/admin/anomalies/pendingscore/",
    "/admin/auth/user/",
    "/admin/auth/group/",
    "/admin/auth/user/add/",
    "/admin/transactions/transaction/",
    "/admin/transactions/load/",
    "/admin/transactions/apikey/",
    "/api/docs/",
]
# WCAG AA for text of ordinary size.
CONTRAST = 4.5
# Each text, the colour it is written in and the colour it stands on, transparent layers painted over each other.
COLOURS = """
() => {
    const canvas = new OffscreenCanvas(1, 1).getContext('2d', {willReadFrequently: true});
    const painted = colours => {
        for (const colour of colours) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
        return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
    };
    const grounds = one => one ? [...grounds(one.parentElement), getComputedStyle(one).backgroundColor] : ['white'];
    const hasText = one => [...one.childNodes].some(node => node.nodeType === 3 && node.textContent.trim());
    return [...document.querySelectorAll('#content *')]
        .filter(one => hasText(one) && one.checkVisibility()
            && !one.closest('svg, .material-symbols-outlined, .c-unseen, [disabled]'))
        .map(one => [
            one.textContent.trim().slice(0, 40),
            painted([...grounds(one), getComputedStyle(one).color]),
            painted(grounds(one)),
        ]);
}
"""


def luminance(colour: list[int]) -> float:
    """https://www.w3.org/TR/WCAG21/#dfn-relative-luminance"""
    parts = [value / 255 / 12.92 if value <= 10 else ((value / 255 + 0.055) / 1.055) ** 2.4 for value in colour]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def contrast(one: list[int], other: list[int]) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def untouched_case(page: Page) -> str:
    """Open the most urgent case that no other test has judged; its address."""
    page.goto("/admin/anomalies/case/?state=open")
    for path in page.locator("#result_list tbody th a").evaluate_all("links => links.map(link => link.href)"):
        page.goto(path)
        if page.locator(".c-verdict textarea").count() and not page.locator(".c-anomaly .state").count():
            return page.url
    raise AssertionError("The seed has too few cases for the tests.")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_page_breaks_its_own_policy_or_overflows(log_in: LogIn, complaints: list[str], theme: str):
    page = log_in(theme=theme)
    for path in [*PAGES, untouched_case(page)]:
        answer = page.goto(path)
        assert answer is not None
        settle(page)
        assert (path, answer.status, complaints) == (path, 200, [])
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), path
        is_dark = page.evaluate("document.documentElement.classList.contains('dark')")
        assert is_dark == (theme == "dark" and "/admin/" in path), path


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_everything_on_the_main_pages_can_be_read(log_in: LogIn, theme: str):
    page = log_in(theme=theme)
    for path in ("/admin/", "/admin/anomalies/case/", untouched_case(page), "/admin/anomalies/anomaly/"):
        open_page(page, path)
        texts = page.evaluate(COLOURS)
        assert len(texts) > 20
        found = [(round(contrast(ink, ground), 2), text) for text, ink, ground in texts]
        assert [one for one in found if one[0] < CONTRAST] == [], path


def test_the_dashboard_shows_figures_that_lead_to_their_lists(log_in: LogIn):
    page = log_in()
    cases = int(page.locator(".c-tiles b").first.inner_text())
    assert cases > 5
    page.locator(".c-tiles a").first.click()
    expect(page.locator("#result_list tbody")).to_have_count(min(cases, 50))
    page.goto("/admin/")
    page.locator(".c-bars a").first.click()
    page.wait_for_url("**reason=**")
    expect(page.locator("#result_list tbody")).not_to_have_count(0)
    page.goto("/admin/")
    page.locator(".c-chart a").last.click()
    page.wait_for_url("**txn_date_from=**")
    expect(page.locator("#result_list tbody")).not_to_have_count(0)


def test_an_analyst_claims_judges_and_goes_on_to_the_next_case(log_in: LogIn):
    page = log_in()
    url = untouched_case(page)
    page.get_by_role("button", name="Claim").click()
    expect(page.get_by_text("The case is yours for 30 min.")).to_be_visible()
    page.fill(".c-verdict textarea", "Called the holder: “not mine”.")
    page.locator(".c-verdict").get_by_role("button", name="Fraud").click()
    expect(page.get_by_text(re.compile(r"Closed as fraud, with a verdict on \d+ transaction"))).to_be_visible()
    expect(page).not_to_have_url(url)
    expect(page.get_by_text("by you")).to_be_visible()
    page.get_by_role("button", name="Release").click()
    # Another page asked for now would come before the answer, or be left for the queue that the answer leads to.
    expect(page.get_by_text("The case is back in the queue.")).to_be_visible()
    page.goto(url)
    expect(page.get_by_text("Called the holder").first).to_be_visible()
    page.goto("/admin/anomalies/case/?outcome=fraud")
    expect(page.locator(f'#result_list a[href*="{url.split("/")[-3]}"]').first).to_be_visible()


def test_one_transaction_is_judged_alone_and_the_case_stays_open(log_in: LogIn):
    page = log_in()
    untouched_case(page)
    page.get_by_text("Judge this transaction alone").first.click()
    page.locator(".c-anomaly").first.get_by_role("button", name="Expected").click()
    expect(page.get_by_text("Verdict on one transaction: expected.")).to_be_visible()
    expect(page.locator(".c-anomaly .state-expected").first).to_be_visible()
    expect(page.locator(".c-head .state")).to_have_text("Open")


def test_everything_works_without_javascript(log_in: LogIn):
    page = log_in(scripts=False)
    expect(page.locator(".c-tiles")).to_be_visible()
    page.get_by_role("link", name="Cases", exact=True).first.click()
    page.get_by_role("link", name="Last 24 h").click()
    page.wait_for_url("**age=day**")
    page.goto("/admin/anomalies/anomaly/")
    page.fill("[name=score_from]", "50")
    page.get_by_role("button", name="Apply").click()
    page.wait_for_url("**score_from=50**")
    untouched_case(page)
    page.locator(".c-verdict").get_by_role("button", name="Unsure").click()
    expect(page.get_by_text("Closed as unsure, with a verdict")).to_be_visible()


def test_what_strangers_wrote_never_runs(log_in: LogIn):
    page = log_in()
    page.goto("/admin/anomalies/anomaly/")
    hostile = page.locator("#result_list .merchant", has_text="<script>").first
    expect(hostile).to_be_visible()
    for _ in range(2):
        assert page.title() != "run"
        page.locator("#result_list tbody", has_text="<script>").first.locator("th a").click()
        expect(page.locator(".c-case .merchant").first).to_contain_text("<script>")
        assert page.title() != "run"
        page.go_back()
    untouched_case(page)
    page.get_by_text("Judge this transaction alone").first.click()
    one = page.locator(".c-anomaly").first
    one.locator("textarea").fill(HOSTILE)
    one.get_by_role("button", name="Legitimate").click()
    expect(page.locator(".c-list p").first).to_contain_text("<script>document.title")
    page.goto("/admin/anomalies/verdict/")
    expect(page.locator("#result_list .reason-cell").first).to_contain_text("<script>")
    assert page.title() != "run"


def test_a_viewer_sees_cases_and_cannot_judge(log_in: LogIn):
    page = log_in("viewer")
    page.goto("/admin/anomalies/case/?state=open")
    page.locator("#result_list tbody th a").first.click()
    expect(page.get_by_text("may look at cases but not judge them")).to_be_visible()
    expect(page.get_by_role("button", name="Fraud")).to_have_count(0)
    expect(page.locator("#nav-sidebar").get_by_text("Accounts")).to_have_count(0)


def test_a_newcomer_is_told_what_is_missing(log_in: LogIn):
    page = log_in("newcomer")
    expect(page.get_by_text("Nothing for you here yet")).to_be_visible()
    expect(page.locator("#nav-sidebar").get_by_text("Cases")).to_have_count(0)
