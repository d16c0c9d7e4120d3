"""Whether a score of 60 means one in a thousand: the share of ordinary payments at or above a score, week by week.

    ANOMALY_DATA=/folder python -m benchmarks.calibration [--data demo handbook sparkov] [--with-frauds]

Every week is scored with a reference of the 28 days before it. The known frauds are taken out of the data, so that what
is left is ordinary; --with-frauds leaves them in. The demo's payments are made on the spot and need no folder.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

import scoring
from benchmarks.detection import DATA, DAY_US, Labelled, read
from scoring import visits
from scoring.columns import Bools, Floats, Ints

REFERENCE_DAYS = 28
WEEK_DAYS = 7
LEVELS = (20, 40, 60, 80)
# A share is as promised within a quarter. Of 50 rows chance alone takes or adds a seventh; fewer cannot tell.
TOLERANCE = 0.25
ROWS_TO_JUDGE = 50
DEMO = "demo"


@dataclass(frozen=True)
class Share:
    """Of `rows` payments so many are at or above the level; weeks (w,) the same share of each week."""

    level: int
    rows: int
    share: float
    promised: float
    weeks: list[float]

    @property
    def verdict(self) -> str:
        if self.rows * self.promised < ROWS_TO_JUDGE:
            return "too few rows to tell"
        return "reached" if abs(self.share / self.promised - 1) <= TOLERANCE else "not reached"


def made() -> Labelled:
    """The payments of a demo of 2,000 users and 150 days."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "anomaly_server.settings")
    import django

    django.setup()
    from transactions.demo.made import make
    from transactions.demo.vocabulary import FAILED

    demo = make(users=2_000, days=150, seed=1, end=datetime(2026, 11, 1, tzinfo=UTC))
    order = np.lexsort((demo.at_ms, demo.payments.user))
    paid = demo.payments.take(order)
    columns = scoring.Columns(
        user=paid.user,
        at_us=demo.at_ms[order] * 1000,
        minor=paid.minor,
        currency=paid.currency.astype(np.int32),
        failed=paid.status == FAILED,
        merchant=paid.merchant + 1,
        category=demo.merchants.trade[paid.merchant] + 1,
        country=paid.country + 1,
        device=paid.device,
    )
    return Labelled(columns, paid.kind > 0)


def without(columns: scoring.Columns, rows: Bools) -> scoring.Columns:
    """The columns without some of the rows."""
    return scoring.Columns(*(getattr(columns, name)[~rows] for name in columns.__slots__))


def scores_by_week(columns: scoring.Columns) -> Iterator[Floats]:
    """The scores of each whole week after the first reference. A reference rests on those of the weeks before, too."""
    features = scoring.build(columns, visits=visits.within(columns))
    day: Ints = columns.at_us // DAY_US
    judges: dict[int, scoring.Reference] = {}
    for start in range(int(day.min()) + REFERENCE_DAYS, int(day.max()) + 2 - WEEK_DAYS, WEEK_DAYS):
        past = (day >= start - REFERENCE_DAYS) & (day < start)
        week = (day >= start) & (day < start + WEEK_DAYS)
        judged = [((day[past] >= first) & (day[past] < first + WEEK_DAYS), one) for first, one in judges.items()]
        judges[start] = scoring.Reference.fit(features.take(past), earlier=judged)
        yield scoring.score(features.take(week), judges[start]).score
        judges.pop(start - REFERENCE_DAYS, None)


def shares(weeks: list[Floats]) -> list[Share]:
    together = np.concatenate(weeks)
    return [
        Share(
            level=level,
            rows=len(together),
            share=float((together >= level).mean()),
            promised=10 ** (-level / 20),
            weeks=[float((week >= level).mean()) for week in weeks],
        )
        for level in LEVELS
    ]


def lines(name: str, found: list[Share]) -> Iterator[str]:
    yield f"{name}: {found[0].rows:,} payments in {len(found[0].weeks)} weeks, each with a reference of its past"
    for one in found:
        low, middle, high = (float(np.quantile(one.weeks, part)) for part in (0.1, 0.5, 0.9))
        yield (
            f"  {one.level} or more: {one.share:.4%} of {one.promised:.4%} promised, "
            f"ratio {one.share / one.promised:.2f}: {one.verdict}; "
            f"the middle week {middle:.4%}, eight weeks of ten {low:.4%} to {high:.4%}"
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", choices=(DEMO, *sorted(DATA)), default=(DEMO, *sorted(DATA)))
    parser.add_argument("--with-frauds", action="store_true", help="leave the known frauds in the data")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    folder = os.environ.get("ANOMALY_DATA")
    result = {}
    for name in options.data:
        if name != DEMO and not folder:
            print(f"ANOMALY_DATA is not set: nothing to read {name} from.", file=sys.stderr)
            continue
        labelled = made() if name == DEMO else read(Path(folder or "") / name, DATA[name])
        left = labelled.columns if options.with_frauds else without(labelled.columns, labelled.fraud)
        result[name] = shares(list(scores_by_week(left)))
        if not options.json:
            print("\n".join(lines(name, result[name])))
    if options.json:
        print(json.dumps({name: [asdict(one) for one in found] for name, found in result.items()}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
