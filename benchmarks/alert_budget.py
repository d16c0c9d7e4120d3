"""Whether the alert threshold gives as many new cases a day as were asked for, week by week, on a loaded server.

    python manage.py load_data ... && python -m benchmarks.alert_budget [--cases 5 20 50] [--open-days 1]

Plays the scored days again. On each midnight the threshold is the server's own, from the 14 days before; during the
day an anomaly at the threshold opens a case, unless one of its user is open. A case is closed --open-days after it
opened, and stored, so that the server knows how long cases are open. The first 14 days with anomalies are not judged.
Without --cases the budgets follow the size of the data: one case for 2,000, 1,000, 500 and 200 transactions. Only
reads: the budgets and cases that it makes are rolled back.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "anomaly_server.settings")
django.setup()

from django.conf import settings  # noqa: E402
from django.db import transaction  # noqa: E402
from django.db.models import Max, Min  # noqa: E402

from anomalies import budget  # noqa: E402
from anomalies.models import AlertBudget, Anomaly, Case  # noqa: E402
from transactions.models import Transaction  # noqa: E402

DAY = timedelta(days=1)
WEEK_DAYS = 7
TRANSACTIONS_A_CASE = (2_000, 1_000, 500, 200)
# Between so many times the budget is as asked for.
LEAST, MOST = 0.7, 1.3

Found = tuple[UUID, datetime, float]


@dataclass(frozen=True)
class Replayed:
    """What came of one budget: new cases a day over it, by week and of all; thresholds, the lowest and the highest.

    at_floor: days on which no threshold was low enough, because anomalies below settings.ANOMALY_FLOOR are not kept.
    """

    cases_a_day: int
    weeks: list[float]
    mean: float
    thresholds: tuple[float, float]
    at_floor: int


def replay(first: datetime, days: int, cases_a_day: int, open_days: int) -> Replayed:
    """`days` from the midnight `first` on, each with the threshold of its past."""
    closes: dict[UUID, datetime] = {}
    opened, thresholds = [], []
    with transaction.atomic():
        AlertBudget.objects.create(cases_per_day=cases_a_day)
        for today in (first + number * DAY for number in range(days)):
            thresholds.append(budget.threshold(today))
            new = []
            for user, at, score in found(today):
                if score >= thresholds[-1] and closes.get(user, at) <= at:
                    closes[user] = at + open_days * DAY
                    new.append(closed(user, at, closes[user], score))
            Case.objects.bulk_create(new)
            opened.append(len(new))
        transaction.set_rollback(True)
    return Replayed(
        cases_a_day=cases_a_day,
        weeks=[sum(week) / len(week) / cases_a_day for week in whole_weeks(opened)],
        mean=sum(opened) / len(opened) / cases_a_day,
        thresholds=(min(thresholds), max(thresholds)),
        at_floor=sum(threshold <= settings.ANOMALY_FLOOR for threshold in thresholds),
    )


def found(today: datetime) -> Iterator[Found]:
    """User, instant and score of the day's anomalies, in the order of time."""
    anomalies = Anomaly.objects.filter(txn_date__gte=today, txn_date__lt=today + DAY).order_by("txn_date", "pk")
    return anomalies.values_list("user_id", "txn_date", "score").iterator()


def closed(user: UUID, opened_at: datetime, closed_at: datetime, score: float) -> Case:
    return Case(
        user_id=user, priority=score, opened_at=opened_at, since=opened_at, latest_at=opened_at,
        state=Case.State.CLOSED, closed_at=closed_at, outcome=Case.Outcome.UNSURE,
    )  # fmt: skip


def whole_weeks(counts: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(counts) - WEEK_DAYS + 1, WEEK_DAYS):
        yield counts[start : start + WEEK_DAYS]


def span() -> tuple[datetime, int]:
    """The first midnight with 14 days of anomalies behind it, and how many whole weeks of days follow."""
    seen = Anomaly.objects.aggregate(first=Min("txn_date"), last=Max("txn_date"))
    if seen["first"] is None:
        raise SystemExit("There are no anomalies: load transactions with `manage.py load_data` first.")
    start = seen["first"].astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + DAY + budget.WINDOW
    weeks = (seen["last"] - start) // (WEEK_DAYS * DAY)
    if weeks < 1:
        raise SystemExit("The anomalies span less than 14 days and a week: nothing to judge.")
    return start, weeks * WEEK_DAYS


def scaled_budgets(first: datetime, days: int) -> list[int]:
    """Cases a day that follow from the number of transactions, each at least one."""
    rows = Transaction.objects.filter(txn_date__gte=first, txn_date__lt=first + days * DAY).count()
    return sorted({max(1, round(rows / days / one)) for one in TRANSACTIONS_A_CASE})


def lines(replays: Sequence[Replayed], first: datetime, days: int) -> Iterator[str]:
    """For people."""
    yield f"New cases a day over the budget, by week from {first:%Y-%m-%d} on ({days // WEEK_DAYS} weeks)."
    for one in replays:
        low, high = one.thresholds
        told = "within" if LEAST <= one.mean <= MOST else "outside"
        inside = sum(LEAST <= ratio <= MOST for ratio in one.weeks)
        yield f"{one.cases_a_day:>5} cases a day: " + " ".join(f"{ratio:.2f}" for ratio in one.weeks)
        yield (
            f"      mean {one.mean:.2f}, {told} {LEAST}..{MOST}; {inside} of {len(one.weeks)} weeks within; "
            f"thresholds {low:.1f} to {high:.1f}; at the floor on {one.at_floor} days"
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, nargs="+", metavar="K", help="budgets in cases a day")
    parser.add_argument("--open-days", type=int, default=1, metavar="N", help="how long a case is open (default: 1)")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    first, days = span()
    budgets = options.cases or scaled_budgets(first, days)
    replays = [replay(first, days, cases_a_day, options.open_days) for cases_a_day in budgets]
    if options.json:
        print(json.dumps([asdict(one) for one in replays]))
    else:
        print("\n".join(lines(replays, first, days)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
