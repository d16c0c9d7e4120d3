"""The transactions of a period as arrays: who, when, which kind of fraud if any, and each scorer's score."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

import numpy as np
from django.db.models import Max, Min

from scoring import baseline
from scoring.columns import Bools, Floats, Ints
from scoring.evaluation import BUDGET_WINDOW_DAYS, TRAINING_DAYS
from transactions import history, merchants, pieces, scorer
from transactions.evaluating.failures import EvaluationFailed
from transactions.evaluating.labels import Labels
from transactions.evaluating.rivals import Rival
from transactions.models import Transaction

DAY_US = 86_400_000_000
# Bounds the memory: a slice of users with all their rows is held at once, of the others a few numbers a row.
USERS_AT_ONCE = 500
DEFAULT_DAYS = 28

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Period:
    """Days in UTC, both included, and after how many days a fraud is known; None: as the labels say."""

    first: date
    last: date
    delay_days: int | None

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
        back = max(BUDGET_WINDOW_DAYS, (self.delay_days or 0) + TRAINING_DAYS)
        return _midnight(self.first) - timedelta(days=back)

    @property
    def until(self) -> datetime:
        return _midnight(self.last) + timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Gathered:
    """n transactions from before the period to its end, by user; NaN is unknown.

    user (n,) numbered from 0; day (n,) since 1970; kind (n,) 0 for no fraud; known (n,) the day on which a fraud became
    known; decades (n, models) log10 of each model's rarity; over_mean (n,) the amount over the rolling mean.
    """

    user: Ints
    day: Ints
    kind: Ints
    known: Ints
    decades: Floats
    over_mean: Floats

    def take(self, rows: Bools) -> "Gathered":
        return Gathered(*(getattr(self, name)[rows] for name in self.__slots__))


def period(first: date | None, last: date | None, delay_days: int | None) -> Period:
    """The period asked for; without a last day, up to the newest transaction; without a first, 28 days."""
    span = Transaction.objects.aggregate(first=Min("txn_date"), last=Max("txn_date"))
    if span["last"] is None:
        raise EvaluationFailed("There are no transactions: load some with `manage.py load_data`.")
    last = last or max(span["last"].astimezone(UTC).date(), first or date.min)
    oldest = span["first"].astimezone(UTC).date()
    return Period(first or min(last, max(oldest, last - timedelta(days=DEFAULT_DAYS - 1))), last, delay_days)


def gathered(
    asked: Period, labels: Labels, models: Sequence[Rival], stretches: merchants.Stretches, progress: Progress
) -> Gathered:
    """Everything from `asked.since` to `asked.until`, users by the slice; of some users more, as `reaching` says."""
    users, further = pieces.everybody(), reaching(asked, labels)
    parts: list[Gathered] = []
    for start in range(0, len(users), USERS_AT_ONCE):
        some = users[start : start + USERS_AT_ONCE]
        since = [further.get(user, asked.since) for user in some]
        past = history.of_users(some, since, until=asked.until)
        rows = _compact(past, asked, labels, models, stretches)
        parts.append(replace(rows, user=rows.user + start))
        progress(min(start + USERS_AT_ONCE, len(users)), len(users))
    return _joined(parts)


def reaching(asked: Period, labels: Labels) -> dict[UUID, datetime]:
    """Where the rows of users begin whose frauds lie further back, but became known late enough to count."""
    if asked.delay_days is not None:
        return {}
    earliest: dict[UUID, datetime] = {}
    for user, at, known in labels.told:
        if at < asked.since and known >= asked.start - TRAINING_DAYS:
            earliest[user] = min(at, earliest.get(user, at))
    return earliest


def _compact(
    past: history.History, asked: Period, labels: Labels, models: Sequence[Rival], stretches: merchants.Stretches
) -> Gathered:
    """The wanted rows of some users, who are numbered from 0."""
    decades = np.full((len(past), len(models)), np.nan)
    features = stretches.features(past)
    for place, rival in enumerate(models):
        for part in scorer.by_each(past, features, rival.references):
            decades[part.rows, place] = np.log10(part.scores.rarity)
    wanted = past.wanted
    user = np.unique(past.columns.user, return_inverse=True)[1]
    day, ids = past.columns.at_us[wanted] // DAY_US, past.ids[wanted]
    return Gathered(
        user=user[wanted],
        day=day,
        kind=labels.of(ids),
        known=labels.known_of(ids, day) if asked.delay_days is None else day + asked.delay_days,
        decades=decades[wanted],
        over_mean=baseline.amount_over_mean(past.columns)[wanted],
    )


def _joined(parts: Sequence[Gathered]) -> Gathered:
    if not parts:
        raise EvaluationFailed("There are no transactions: load some with `manage.py load_data`.")
    return Gathered(*(np.concatenate([getattr(part, name) for part in parts]) for name in Gathered.__slots__))


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)
