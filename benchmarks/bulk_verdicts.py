"""How long a verdict on many cases takes, beside the same verdicts given case by case.

    python -m benchmarks.bulk_verdicts

Makes cases of two anomalies each in the database, judges 50 of them one by one and the others at
once, and takes everything back. BULK_CASES of the environment says how many are judged at once.
"""

import os
import time

import django

CASES = int(os.environ.get("BULK_CASES", "2000"))
ONE_BY_ONE = 50


class _Undo(Exception):
    """Takes everything back."""


def main() -> None:
    from django.db import transaction

    try:
        with transaction.atomic():
            measure()
            raise _Undo
    except _Undo:
        pass


def measure() -> None:
    from anomalies import bulk, cases
    from anomalies.models import Case
    from tests.anomalies import many
    from tests.factories import AnalystFactory

    by = AnalystFactory(username="benchmark", is_superuser=True)
    singles = many.cases(ONE_BY_ONE, anomalies=2)
    together = many.cases(CASES, anomalies=2)
    began = time.perf_counter()
    for case_id in singles:
        cases.judge(case_id, value="fraud", by=by)
    each = (time.perf_counter() - began) / ONE_BY_ONE
    began = time.perf_counter()
    change = bulk.wish(Case.objects.filter(pk__in=together), action="verdict", by=by, value="fraud")
    while not change.is_done:
        change = bulk.step(change.pk, by=by)
    took = time.perf_counter() - began
    print(f"one by one   {1_000 * each:8.2f} ms a case, of {ONE_BY_ONE}")
    print(f"at once      {1_000 * took / CASES:8.2f} ms a case, {took:.2f} s for {CASES:,} cases: {change.tally}")
    print(f"ratio        {each * CASES / took:8.1f}")


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "anomaly_server.settings")
    django.setup()
    main()
