"""python -m tests.browser.cases NUMBER|expire: many cases to work on, or the end of all leases."""

import sys
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import django

PAYMENTS = 12


def make(number: int) -> None:
    """Cases of one anomaly each, among ordinary payments, and two analysts."""
    from django.contrib.auth.models import Permission, User

    from anomalies.findings import BUILT_IN_MODEL
    from anomalies.models import Anomaly, Case
    from tests.anomalies.findings import LARGE
    from tests.browser.seed import HOSTILE, PASSWORD
    from tests.factories import ReferenceFactory, TransactionFactory
    from transactions.models import Transaction

    rights = Permission.objects.filter(codename__in=["review_case", "view_case", "view_anomaly", "view_transaction"])
    for name in ("ana", "ben"):
        User.objects.create_user(name, password=PASSWORD, is_staff=True).user_permissions.set(rights)
    until = datetime.now(UTC) - timedelta(days=1)
    reference = ReferenceFactory()
    rows, cases, anomalies = [], [], []
    for place in range(number):
        user = uuid4()
        payments = TransactionFactory.build_batch(PAYMENTS, user_id=user, meta_data={"merchant_id": HOSTILE})
        for days, row in enumerate(reversed(payments)):
            row.txn_date = until - timedelta(days=days * 3)
        odd = payments[-1]
        odd.amount = 910
        score = 99 - place / 10
        case = Case(user_id=user, priority=score, anomaly_count=1, since=until, latest_at=until)
        found = Anomaly(
            transaction=odd, user_id=user, amount=odd.amount, currency="EUR", txn_date=until, status="completed",
            merchant_id=HOSTILE, score=score, rarity=10 ** (score / 20), raw=2.5, reasons=[LARGE], features={},
            reference=reference, model_version_id=BUILT_IN_MODEL, case=case,
        )  # fmt: skip
        rows += payments
        cases.append(case)
        anomalies.append(found)
    Transaction.objects.bulk_create(rows)
    Case.objects.bulk_create(cases)
    Anomaly.objects.bulk_create(anomalies)


def expire() -> None:
    from django.utils import timezone

    from anomalies.models import Case

    Case.objects.filter(state="claimed").update(lease_until=timezone.now() - timedelta(seconds=1))


if __name__ == "__main__":
    django.setup()
    if sys.argv[1] == "expire":
        expire()
    else:
        make(int(sys.argv[1]))
