"""python -m tests.browser.screenshots FOLDER: pictures of the console for the documents, from demo data."""

import os
import sys
from pathlib import Path

import django
from playwright.sync_api import Page, sync_playwright

from tests.browser import site
from tests.browser.seed import PASSWORD

PAGES = {
    "dashboard": "/admin/",
    "cases": "/admin/anomalies/case/",
    "transactions": "/admin/transactions/transaction/",
}
THEMES = ("light", "dark")
SIZE = {"width": 1440, "height": 900}


def main(folder: Path) -> None:
    path = site.chromium()
    if path is None:
        sys.exit("error: no Chromium on this machine: install Debian's package chromium.")
    folder.mkdir(parents=True, exist_ok=True)
    with site.database(f"screenshots_{os.getpid()}") as name:
        site.run(name, "manage.py", "load_data", "--demo")
        site.run(name, "-m", "tests.browser.seed", "people")
        with site.served(name) as address, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=path, args=site.CHROMIUM_ARGUMENTS)
            for theme in THEMES:
                context = browser.new_context(base_url=address, viewport=SIZE, color_scheme=theme)
                take_all(context.new_page(), folder, theme)
                context.close()
            browser.close()


def take_all(page: Page, folder: Path, theme: str) -> None:
    log_in(page)
    if theme == THEMES[0]:
        work_a_little(page)
    case = telling_case(page)
    for name, path in {**PAGES, "case": case, "user": user_of(page, case)}.items():
        page.goto(path)
        page.wait_for_load_state("networkidle")
        page.screenshot(path=folder / f"{name}-{theme}.png")


def log_in(page: Page) -> None:
    page.goto("/admin/login/")
    page.fill("[name=username]", "lead")
    page.fill("[name=password]", PASSWORD)
    page.click("button[type=submit]")
    page.wait_for_url("**/admin/")


def work_a_little(page: Page) -> None:
    """A few verdicts and a claim, so that no picture shows a server on which nobody ever worked."""
    verdicts = {
        "Fraud": "Card was stolen, says the holder.",
        "Expected": "Pays a year's rent in November.",
        "Legitimate": "",
        "Unsure": "Holder does not answer.",
    }
    addresses = case_addresses(page)
    for place, (verdict, note) in enumerate(verdicts.items(), start=2):
        page.goto(addresses[place])
        page.fill(".c-verdict textarea", note)
        page.locator(".c-verdict").get_by_role("button", name=verdict).click()
    page.goto(addresses[1])
    page.get_by_role("button", name="Claim").click()


def telling_case(page: Page) -> str:
    """The most urgent case of several transactions, or simply the most urgent one."""
    addresses = case_addresses(page)
    counts = page.locator("#result_list .field-anomalies_").all_inner_texts()
    several = (address for address, count in zip(addresses, counts, strict=True) if 2 <= int(count) <= 4)
    return next(several, addresses[0])


def user_of(page: Page, case: str) -> str:
    """The page of the case's user."""
    page.goto(case)
    address = page.locator('#content a[href^="/admin/users/"]').first.get_attribute("href")
    return address or "/admin/users/"


def case_addresses(page: Page) -> list[str]:
    page.goto(PAGES["cases"])
    return list(page.locator("#result_list tbody th a").evaluate_all("links => links.map(link => link.href)"))


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    main(Path(sys.argv[1]))
