"""python -m tests.browser.strangers: one user's case in which every field that takes text tries to run a script.

Beside what `seed` makes, and of the past, so that no other test meets it.
"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

import django

from tests.browser.seed import HOSTILE, PASSWORD

if TYPE_CHECKING:
    from anomalies.models import Case

USER = UUID("66666666-0000-4000-8000-000000000001")
PAYMENT = UUID("66666666-0000-4000-8000-000000000002")
CASE = UUID("66666666-0000-4000-8000-000000000003")
ACCOUNT = "stranger"
# Out of an attribute, by either quote, and into what Alpine.js would run.
SHORT = "'\"><img src=x onerror=document.title='run'>"
IN_ATTRIBUTE = "\" onmouseover=\"document.title='run'\" x-init=\"document.title='run'\" '"
TEXT = HOSTILE + SHORT + IN_ATTRIBUTE


def fill() -> None:
    from django.contrib.auth.models import Group, User

    from anomalies import budget, cases, comments, verdicts
    from anomalies.desk import SavedView
    from anomalies.models import ModelVersion
    from transactions.models import ApiKey, Load, Transaction

    account = User.objects.create_superuser(ACCOUNT, password=PASSWORD, first_name=SHORT, last_name=SHORT, email=SHORT)
    named = User.objects.create_user(TEXT[:150], is_staff=True)
    Group.objects.create(name=TEXT[:150])
    at = datetime.now(UTC) - timedelta(days=400)
    Transaction.objects.create(
        id=PAYMENT,
        user_id=USER,
        amount=Decimal("9.99"),
        currency="EUR",
        txn_date=at,
        status="completed",
        meta_data={"merchant_id": TEXT, TEXT: [TEXT, {TEXT: TEXT}], "category": TEXT, "country": TEXT},
    )
    Transaction.objects.create(
        user_id=USER, amount=1, currency="EUR", txn_date=at, status="failed", meta_data={"merchant_id": TEXT}
    )
    found(at)
    comments.add(case(at), named, TEXT)
    cases.judge(CASE, value="expected", by=named, note=TEXT)
    verdicts.give(transaction_id=PAYMENT, user_id=USER, value="unsure", source=TEXT[:32], note=TEXT)
    budget.change(budget.newest_or_setting(), by=named)
    ModelVersion.objects.create(name=TEXT[:64], metrics={TEXT: TEXT})
    Load.objects.create(digest="6" * 64, name=TEXT, reject_path=TEXT)
    ApiKey.objects.create_key(name=TEXT[:50], owner=account)
    SavedView.objects.create(owner=account, name=TEXT[:40], query="state=all")


def found(at: datetime) -> None:
    from anomalies.models import Anomaly, ModelVersion, Reference

    reasons = [
        {"code": code, "group": TEXT, "contribution": 1.0, "observed": 1.0, "expected": 1.0, "values": {"name": TEXT}}
        for code in (TEXT, SHORT)
    ]
    Anomaly.objects.create(
        transaction_id=PAYMENT,
        user_id=USER,
        amount=Decimal("9.99"),
        currency="EUR",
        txn_date=at,
        status=SHORT[:32],
        merchant_id=TEXT,
        score=41.0,
        rarity=112.0,
        raw=2.0,
        reasons=reasons,
        features={TEXT: 1.0},
        reference=Reference.objects.first(),
        model_version=ModelVersion.objects.get(state="live"),
        case_id=CASE,
    )


def case(at: datetime) -> "Case":
    from anomalies.models import Case

    return Case.objects.create(
        id=CASE,
        user_id=USER,
        priority=41.0,
        anomaly_count=1,
        opened_at=at,
        since=at - timedelta(days=14),
        latest_at=at,
        reason={"code": TEXT, "contribution": 1.0},
        top_reason=TEXT[:40],
        amount=Decimal("9.99"),
        currency="EUR",
        merchant_id=TEXT,
    )


if __name__ == "__main__":
    django.setup()
    fill()
