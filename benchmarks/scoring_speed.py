"""How fast features are built and rows scored on one core, beside its rivals on the same features.

    python -m benchmarks.scoring_speed [--rows 200000] [--slow-rows 10000] [--repeats 3] [--json]

Made-up users with every key. All take turns in one run, so that other work on the machine slows all alike: the
medians' ratios are what counts. Rivals fit and score at their defaults, and score alone by a model that is fitted
already (ECOD ranks the rows among those it was fitted to, which is most of its work); river, which takes row for row,
gets --slow-rows of them. `live` is one row with its history, once with few and once with the most earlier rows.
"""

import os

# Before NumPy starts its threads.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import argparse  # noqa: E402
import json  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable  # noqa: E402
from statistics import median  # noqa: E402

import numpy as np  # noqa: E402

import scoring  # noqa: E402
from benchmarks.detection import evidence  # noqa: E402
from benchmarks.rivals import RIVALS  # noqa: E402
from scoring.columns import Floats  # noqa: E402

DAY_US = 86_400_000_000
START_US = 1_704_153_600_000_000
LIVE_HISTORIES = (200, scoring.HISTORY_ROWS)
LIVE_TURNS = 200
ONE_BY_ONE = "HalfSpaceTrees"
RIVER_LEARNS = 2_000
# What a name of RIVALS has behind it where its model is fitted already.
SCORING_ALONE = " scoring alone"


def columns(rows: int, seed: int) -> scoring.Columns:
    """`rows` of users with 20 to 400 payments each in 120 days, in two currencies, with every key."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(20, 400, rows // 100)
    user = np.repeat(np.arange(len(lengths)), lengths)[:rows]
    at_us = START_US + rng.integers(0, 120 * DAY_US, len(user))
    order = np.lexsort((at_us, user))
    usual = rng.lognormal(8, 1, len(lengths))[user]
    return scoring.Columns(
        user=user,
        at_us=at_us[order],
        minor=np.rint(usual * rng.lognormal(0, 0.7, len(user))).astype(np.int64),
        currency=(rng.random(len(user)) < 0.05).astype(np.int32),
        failed=rng.random(len(user)) < 0.05,
        merchant=rng.geometric(0.01, len(user)),
        category=rng.integers(1, 15, len(user)),
        country=rng.geometric(0.95, len(user)),
        device=user * 3 + rng.geometric(0.8, len(user)),
    )


def seconds(work: Callable[[], object]) -> float:
    # Of the processor: what other programs take of it is not ours.
    start = time.process_time()
    work()
    return time.process_time() - start


def fitted_and_scored(features: scoring.Features) -> None:
    scoring.score(features, scoring.Reference.fit(features))


def known(features: scoring.Features, reference: scoring.Reference) -> Floats:
    """What our groups rest on, without gaps, for the rivals."""
    values = evidence(features, reference)
    return np.where(np.isnan(values), np.nanmedian(values, axis=0), values)


def fitted_rivals(values: Floats) -> dict[str, Callable[[Floats], object]]:
    """What each rival's scoring alone is: a model at its defaults, fitted to `values`, waits for rows."""
    from pyod.models.ecod import ECOD
    from pyod.models.hbos import HBOS
    from river.anomaly import HalfSpaceTrees
    from sklearn.ensemble import IsolationForest

    forest, ecod, hbos = (model.fit(values) for model in (IsolationForest(random_state=0), ECOD(), HBOS()))
    trees = HalfSpaceTrees(seed=0)
    for row in unit(values)[:RIVER_LEARNS]:
        trees.learn_one(dict(enumerate(row)))
    return {
        "IsolationForest": forest.score_samples,
        "ECOD": ecod.decision_function,
        "HBOS": hbos.decision_function,
        ONE_BY_ONE: lambda rows: [trees.score_one(dict(enumerate(row))) for row in unit(rows)],
    }


def unit(values: Floats) -> list[list[float]]:
    """The rows as river asks for them: from 0 to 1."""
    low, high = values.min(axis=0), values.max(axis=0)
    scaled: list[list[float]] = ((values - low) / np.maximum(high - low, 1e-12)).tolist()
    return scaled


def batch(rows: int, slow_rows: int, repeats: int) -> dict[str, float]:
    """Rows a second, each the median of `repeats` turns."""
    data = columns(rows, seed=1)
    features = scoring.build(data)
    reference = scoring.Reference.fit(features)
    values = known(features, reference)
    work: dict[str, tuple[int, Callable[[], object]]] = {
        "features": (len(data), lambda: scoring.build(data)),
        "score": (len(data), lambda: scoring.score(features, reference)),
        "fit and score": (len(data), lambda: fitted_and_scored(features)),
    }
    for name, rival in RIVALS.items():
        part = values[:slow_rows] if name == ONE_BY_ONE else values
        work[name] = (len(part), lambda rival=rival, part=part: rival(part, part))
    for name, judge in fitted_rivals(values).items():
        part = values[:slow_rows] if name == ONE_BY_ONE else values
        work[name + SCORING_ALONE] = (len(part), lambda judge=judge, part=part: judge(part))
    times = [{name: seconds(job) for name, (_, job) in work.items()} for _ in range(repeats)]
    return {name: count / median(turn[name] for turn in times) for name, (count, _) in work.items()}


def live(earlier: int) -> dict[str, float]:
    """Milliseconds for one row after `earlier` rows of its user."""
    history = columns(100_000, seed=2)
    reference = scoring.Reference.fit(scoring.build(history))
    one_user = np.zeros(earlier + 1, np.int64)
    parts = {name: getattr(history, name)[: earlier + 1] for name in history.__slots__}
    parts |= {"user": one_user, "at_us": np.sort(parts["at_us"])}
    past = scoring.Columns(**parts)
    wanted = np.arange(len(past)) == earlier
    features = scoring.build(past, wanted)
    scores = scoring.score(features, reference)
    work = {
        "features": lambda: scoring.build(past, wanted),
        "score": lambda: scoring.score(features, reference),
        "reasons": lambda: scoring.reasons(features, scores, 0),
    }
    times = [{name: seconds(job) for name, job in work.items()} for _ in range(LIVE_TURNS)]
    return {name: 1000 * median(turn[name] for turn in times) for name in work}


def report(speeds: dict[str, float], lives: dict[int, dict[str, float]]) -> None:
    print(f"{'':30}{'rows/s':>12}{'ours':>32}")
    for name, speed in speeds.items():
        rival = name.removesuffix(SCORING_ALONE)
        same = "score" if name.endswith(SCORING_ALONE) else "fit and score"
        ratio = f"{same} {speeds[same] / speed:.1f} x as fast" if rival in RIVALS else ""
        print(f"{name:30}{speed:12,.0f}{ratio:>32}")
    for earlier, parts in lives.items():
        each = ", ".join(f"{name} {ms:.2f}" for name, ms in parts.items())
        print(f"live, one row after {earlier}: {sum(parts.values()):.2f} ms ({each})")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--slow-rows", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    speeds = batch(options.rows, options.slow_rows, options.repeats)
    lives = {earlier: live(earlier) for earlier in LIVE_HISTORIES}
    if options.json:
        print(json.dumps({"rows_per_s": speeds, "live_ms": lives}))
    else:
        report(speeds, lives)
    return 0


if __name__ == "__main__":
    sys.exit(main())
