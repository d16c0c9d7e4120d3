"""The transactions of a period as arrays: who, when, which kind of fraud if any, and each scorer's score."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import numpy as np
from django.db.models import Max, Min

from scoring import baseline
from scoring.columns import Bools, Floats, Ints
from scoring.evaluation import BUDGET_WINDOW_DAYS, TRAINING_DAYS
from scoring.reference import BadReference
from transactions import history, merchants, norms, scorer
from transactions.evaluating.failures import EvaluationFailed
from transactions.evaluating.labels import Labels
from transactions.models import Transaction

DAY_US = 86_400_000_000
# Bounds the memory: a slice of users with all their rows is held at once, of the others a few numbers a row.
USERS_AT_ONCE = 500
DEFAULT_DAYS = 28

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Period:
    """Days in UTC, both included, and after how many days a fraud is known."""

    first: date
    last: date
    delay_days: int

    @property
    def start(self) -> int:
        """Days since 1970."""
        return (self.first - date(1970, 1, 1)).days

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1

    @property
    def since(self) -> datetime:
        """What is before the period counts too: for known frauds, and for the alert budget."""
        back = max(BUDGET_WINDOW_DAYS, self.delay_days + TRAINING_DAYS)
        return _midnight(self.first) - timedelta(days=back)

    @property
    def until(self) -> datetime:
        return _midnight(self.last) + timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Gathered:
    """n transactions from before the period to its end, by user; NaN is unknown.

    user (n,) numbered from 0; day (n,) since 1970; kind (n,) 0 for no fraud; decades (n,) log10 of the server's
    rarity; over_mean (n,) the amount over the rolling mean.
    """

    user: Ints
    day: Ints
    kind: Ints
    decades: Floats
    over_mean: Floats

    def take(self, rows: Bools) -> "Gathered":
        return Gathered(*(getattr(self, name)[rows] for name in self.__slots__))


def period(first: date | None, last: date | None, delay_days: int) -> Period:
    """The period asked for; without a last day, up to the newest transaction; without a first, 28 days."""
    span = Transaction.objects.aggregate(first=Min("txn_date"), last=Max("txn_date"))
    if span["last"] is None:
        raise EvaluationFailed("There are no transactions: load some with `manage.py load_data`.")
    last = last or max(span["last"].astimezone(UTC).date(), first or date.min)
    oldest = span["first"].astimezone(UTC).date()
    return Period(first or min(last, max(oldest, last - timedelta(days=DEFAULT_DAYS - 1))), last, delay_days)


def gathered(asked: Period, labels: Labels, progress: Progress) -> Gathered:
    """Everything from `asked.since` to `asked.until`, users by the slice."""
    users = norms.users()
    parts: list[Gathered] = []
    with merchants.stretches(users=len(users)) as stretches:
        for start in range(0, len(users), USERS_AT_ONCE):
            some = users[start : start + USERS_AT_ONCE]
            past = history.of_users(some, [asked.since] * len(some), until=asked.until)
            try:
                parts.append(_compact(past, labels, start, stretches))
            except BadReference as bad:
                raise EvaluationFailed(
                    f"A stored reference cannot be read: {bad}. Score anew with this version."
                ) from bad
            progress(min(start + USERS_AT_ONCE, len(users)), len(users))
    return _joined(parts)


def _compact(past: history.History, labels: Labels, first_user: int, stretches: merchants.Stretches) -> Gathered:
    """The wanted rows of some users; users are numbered from `first_user` on."""
    decades = np.full(len(past), np.nan)
    for part in scorer.judge(past, stretches):
        decades[part.rows] = np.log10(part.scores.rarity)
    wanted = past.wanted
    user = np.unique(past.columns.user, return_inverse=True)[1]
    return Gathered(
        user=user[wanted] + first_user,
        day=past.columns.at_us[wanted] // DAY_US,
        kind=labels.of(past.ids[wanted]),
        decades=decades[wanted],
        over_mean=baseline.amount_over_mean(past.columns)[wanted],
    )


def _joined(parts: Sequence[Gathered]) -> Gathered:
    if not parts:
        raise EvaluationFailed("There are no transactions: load some with `manage.py load_data`.")
    return Gathered(*(np.concatenate([getattr(part, name) for part in parts]) for name in Gathered.__slots__))


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)
