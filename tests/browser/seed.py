"""python -m tests.browser.seed: two months of made payments, scored, and the people who look at them.

`… seed people` makes the people only. Everything takes the real way: stored, scored, recorded, gathered.



"""

import json
import random
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import django

DAYS = 60
USERS = 60
PASSWORD = "only-for-tests"
# What strangers may write into the fields that take text.
HOSTILE = "<script>document.title='run'</script><img src=x onerror=\"document.title='run'\">"


def people() -> None:
    from django.contrib.auth.models import Permission, User

    User.objects.create_superuser("lead", password=PASSWORD)
    viewer = User.objects.create_user("viewer", password=PASSWORD, is_staff=True)
    viewer.user_permissions.set(
        Permission.objects.filter(
            content_type__app_label__in=("anomalies", "transactions"), codename__startswith="view_"
        )
    )
    User.objects.create_user("newcomer", password=PASSWORD, is_staff=True)


def payments() -> None:
    from transactions import backlog, intake

    intake.take(list(rows()))
    backlog.score_pending()


def rows() -> Iterator[object]:
    """Ordinary payments of each user, now and then one that is far too large, at the end one of a stranger."""
    from transactions.rows import Row

    chance = random.Random(7)
    until = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    for number in range(USERS):
        user = UUID(int=chance.getrandbits(128), version=4)
        usual = chance.choice((8, 20, 45, 120))
        merchants = [f"shop-{chance.randint(1, 90)}" for _ in range(chance.randint(3, 8))]
        at = until - timedelta(days=DAYS)
        while (at := at + timedelta(hours=chance.expovariate(1 / 14))) < until:
            factor = chance.uniform(10, 60) if chance.random() < 0.01 else chance.lognormvariate(0, 0.4)
            yield made(Row, chance, user, at, usual * factor, chance.choice(merchants))
        if number % 5 == 0:
            yield made(Row, chance, user, until, usual * 80, HOSTILE)


def made(row: type, chance: random.Random, user: UUID, at: datetime, amount: float, merchant: str) -> object:
    return row(
        id=UUID(int=chance.getrandbits(128), version=4),
        user_id=user,
        amount=Decimal(round(amount * 100)) / 100,
        currency="EUR",
        txn_date=at.replace(microsecond=0),
        status="failed" if chance.random() < 0.02 else "completed",
        meta_data=json.dumps({"merchant_id": merchant, "note": HOSTILE}),
    )


if __name__ == "__main__":
    django.setup()
    people()
    if "people" not in sys.argv:
        payments()
