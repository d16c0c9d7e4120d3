"""How long the page of a case takes, and how long it is from a verdict's key to the next case, at a million rows.

    python -m benchmarks.console

In a database of its own, which is gone afterwards. The server's time is asked for in this process; the analyst's
in Chromium against gunicorn: from the key going down until the next case stands on the page and takes keys.
"""

import os
import statistics
import time
from contextlib import ExitStack
from uuid import uuid4

import django
from django.db import connection

ROWS = int(os.environ.get("CONSOLE_ROWS", "1000000"))
USERS = ROWS // 100
CASES = 400
PAGES = 60
VERDICTS = 60
SERVER_MS, KEY_MS, QUERIES = 300, 250, 12
# Cases of users of all sizes: each with its latest two payments as anomalies.
FILL = [
    """INSERT INTO scoring_references (id, since, until, rows, payload)
    VALUES (gen_random_uuid(), now(), now(), 1, '')""",
    """INSERT INTO cases (id, user_id, state, priority, anomaly_count, since, latest_at, outcome)
    SELECT gen_random_uuid(), user_id, 'open', 50 + 50 * random(), 2, max(txn_date) - interval '14 days',
        max(txn_date), ''
    FROM transactions GROUP BY user_id HAVING count(*) > 2 ORDER BY md5(user_id::text) LIMIT %(cases)s""",
    """INSERT INTO anomalies (transaction_id, user_id, amount, currency, txn_date, status, merchant_id, score, rarity,
        raw, reasons, features, reference_id, model_version_id, case_id)
    SELECT odd.id, odd.user_id, odd.amount, odd.currency, odd.txn_date, odd.status, odd.merchant_id, cases.priority,
        1000, 7.5, jsonb_build_array(%(reason)s::jsonb, %(reason)s::jsonb, %(reason)s::jsonb), '{}',
        (SELECT id FROM scoring_references LIMIT 1), (SELECT id FROM model_versions LIMIT 1), cases.id
    FROM cases CROSS JOIN LATERAL (
        SELECT * FROM transactions WHERE transactions.user_id = cases.user_id ORDER BY txn_date DESC, id LIMIT 2
    ) AS odd""",
    "ANALYZE",
]
REASON = (
    '{"code": "amount_over_median", "group": "amount", "contribution": 2.5, "observed": 910.0, "expected": 50.0,'
    ' "values": {"amount": 910.0, "median": 50.0, "deviation": 4.0, "payments": 50.0, "ratio": 18.2, "times": 9.1,'
    ' "last": 50.0}}'
)
# Resolves when another case is on the page and no request is under way, in milliseconds since the key went down.
UNTIL_USABLE = """() => new Promise(resolve => {
    let pressed = 0;
    document.addEventListener("keydown", () => { pressed = performance.now(); }, {capture: true, once: true});
    const before = location.href;
    const look = () => {
        const page = document.getElementById("case");
        const isThere = location.href !== before && page && !page.hasAttribute("aria-busy");
        if (isThere) requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - pressed)));
        else setTimeout(look, 2);
    };
    window.usable = new Promise(done => { const given = resolve; resolve = value => { given(value); done(value); }; });
    look();
})"""


# How long the last request took, as the browser measured it.
ANSWERED = """() => {
    const asked = performance.getEntriesByType("resource").filter(one => one.name.includes("/judge/")).at(-1);
    return asked.responseEnd - asked.requestStart;
}"""


def make_cases() -> None:
    from django.contrib.auth.models import User

    with connection.cursor() as cursor:
        for statement in FILL:
            cursor.execute(statement, {"cases": CASES, "reason": REASON} if "%(" in statement else None)
    User.objects.create_superuser("analyst", password="only-for-this")  # noqa: S106


def server_times() -> tuple[list[float], int]:
    """Milliseconds of GETs of case after case, and the most queries that one of them took."""
    from django.contrib.auth.models import User
    from django.test import Client
    from django.test.utils import CaptureQueriesContext
    from django.urls import reverse

    from anomalies.models import Case

    browser = Client(headers={"Host": "localhost"})
    browser.force_login(User.objects.get())
    found, most = [], 0
    for pk in Case.objects.order_by("id").values_list("pk", flat=True)[: PAGES + 1]:
        address = reverse("admin:anomalies_case_change", args=[pk])
        begun = time.perf_counter()
        assert browser.get(address).status_code == 200
        found.append(1000 * (time.perf_counter() - begun))
        with CaptureQueriesContext(connection) as queries:
            browser.get(address)
        most = max(most, len(queries))
    return found[1:], most


def key_times(database: str) -> tuple[list[float], list[float]]:
    """Milliseconds from a verdict's key to the next case, again and again; and the server's part of each."""
    from playwright.sync_api import sync_playwright

    from tests.browser import site

    with site.served(database) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=site.chromium(), args=site.CHROMIUM_ARGUMENTS)
        page = browser.new_page(base_url=address, viewport={"width": 1440, "height": 900})
        page.goto("/admin/login/")
        page.fill("[name=username]", "analyst")
        page.fill("[name=password]", "only-for-this")
        page.click("button[type=submit]")
        page.goto("/admin/anomalies/case/")
        page.keyboard.press("n")
        page.wait_for_selector(".k-until")
        found, waited = [], []
        for number in range(VERDICTS + 3):
            page.evaluate(f"void ({UNTIL_USABLE})()")
            page.keyboard.press("fleu"[number % 4])
            found.append(float(page.evaluate("window.usable")))
            waited.append(float(page.evaluate(ANSWERED)))
        browser.close()
    # The first ones warm up the workers.
    return found[3:], waited[3:]


def say(name: str, found: list[float], bound: float) -> None:
    ninth = statistics.quantiles(found, n=20)[-1]
    print(f"{name:42} median {statistics.median(found):6.0f} ms   19 in 20 {ninth:6.0f} ms   (at most {bound} ms)")


def main() -> None:
    from benchmarks.payments import fill, own_database

    name = f"console_{uuid4().hex[:8]}"
    with ExitStack() as stack:
        stack.enter_context(own_database(name))
        fill(rows=ROWS, users=USERS, days=365)
        make_cases()
        times, queries = server_times()
        print(f"{ROWS:,} transactions of {USERS:,} users, {CASES} cases")
        say("page of a case, on the server", times, SERVER_MS)
        print(f"{'queries of it':42} {queries} (at most {QUERIES})")
        found, waited = key_times(name)
        say("verdict's key to the next case", found, KEY_MS)
        print(f"{'of it the answer to the request':42} median {statistics.median(waited):6.0f} ms")
        print(f"{'load of the last minute':42} {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    main()
