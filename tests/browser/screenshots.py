"""python -m tests.browser.screenshots FOLDER [WIDTH …]: pictures of the console for the documents, from demo data.

1440 pixels wide; of other widths, with the width in their names, to be looked at.
"""

import os
import sys
from itertools import product
from pathlib import Path
from typing import Literal

import django
from playwright.sync_api import Page, ViewportSize, sync_playwright

from tests.browser import site
from tests.browser.seed import PASSWORD

PAGES = {
    "dashboard": "/admin/",
    "cases": "/admin/anomalies/case/",
    "transactions": "/admin/transactions/transaction/",
}
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
WIDTH = 1440


def main(folder: Path, widths: list[int]) -> None:
    path = site.chromium()
    if path is None:
        sys.exit("error: no Chromium on this machine: install Debian's package chromium.")
    folder.mkdir(parents=True, exist_ok=True)
    with site.database(f"screenshots_{os.getpid()}") as name:
        site.run(name, "manage.py", "load_data", "--demo")
        site.run(name, "-m", "tests.browser.seed", "people")
        with site.served(name) as address, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=path, args=site.CHROMIUM_ARGUMENTS)
            page = browser.new_page(base_url=address, viewport=size(WIDTH))
            log_in(page)
            work_a_little(page)
            case = telling_case(page)
            pages = {**PAGES, "case": case, "user": user_of(page, case)}
            known = page.context.storage_state()
            for theme, width in product(THEMES, widths):
                context = browser.new_context(
                    base_url=address, viewport=size(width), color_scheme=theme, storage_state=known
                )
                take_all(context.new_page(), pages, folder, theme if width == WIDTH else f"{theme}-{width}")
                context.close()
            browser.close()


def size(width: int) -> ViewportSize:
    return {"width": width, "height": width * 5 // 8}


def take_all(page: Page, pages: dict[str, str], folder: Path, ending: str) -> None:
    for name, path in pages.items():
        page.goto(path)
        page.wait_for_load_state("networkidle")
        page.screenshot(path=folder / f"{name}-{ending}.png")


def log_in(page: Page) -> None:
    page.goto("/admin/login/")
    page.fill("[name=username]", "lead")
    page.fill("[name=password]", PASSWORD)
    page.click("button[type=submit]")
    page.wait_for_url("**/admin/")


def work_a_little(page: Page) -> None:
    """A few verdicts, and the case after them: no picture shows a server on which nobody ever worked."""
    verdicts = {
        "Fraud": "Card was stolen, says the holder.",
        "Expected": "Pays a year's rent in November.",
        "Legitimate": "",
        "Unsure": "Holder does not answer.",
    }
    page.goto(PAGES["cases"])
    page.get_by_role("button", name="Next case").click()
    page.wait_for_url("**/change/")
    for verdict, note in verdicts.items():
        before = page.url
        page.fill(".c-verdict textarea", note)
        page.locator(".c-verdict").get_by_role("button", name=verdict).click()
        page.wait_for_function("before => location.href !== before", arg=before)


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
    main(Path(sys.argv[1]), [int(width) for width in sys.argv[2:]] or [WIDTH])
