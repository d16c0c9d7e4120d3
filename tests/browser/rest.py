"""When a page has come to rest, so that what is measured is what people see, on a slow machine too."""

from playwright.sync_api import Page

# How long anything may take before it counts as missing. Only failures are slower for it.
PATIENCE_MS = 90_000
# Fonts are asked for by the first layout, which may come after the page counts as loaded; until they are there the
# names of icons stand in their places, and those are wider. A colour on its way to another is neither.
SETTLE = """
async () => {
    document.body.getBoundingClientRect();
    await document.fonts.ready;
    for (const one of document.getAnimations()) if (one instanceof CSSTransition) one.finish();
}
"""


def open_page(page: Page, path: str) -> None:
    """Go there, and wait until nothing moves; its status is 200."""
    answer = page.goto(path)
    assert answer is not None
    assert answer.status == 200, path
    settle(page)


def settle(page: Page) -> None:
    page.evaluate(SETTLE)


def leaves(page: Page, before: str) -> None:
    """Wait until the address is another one and its page is loaded: only then do its scripts hear keys."""
    page.wait_for_url(lambda url: url != before)
