"""What a row sees of its merchant: the same by every way of reading it, and never more than a bounded part."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
from django.db import connection

import scoring
from tests.transactions import traffic
from transactions import departures, history, lookback, merchants, pieces, scorer, store
from transactions.models import Transaction
from transactions.rows import Row

pytestmark = pytest.mark.django_db


def everything() -> history.History:
    users = pieces.everybody()
    return history.of_users(users, [traffic.START - timedelta(days=1)] * len(users))


def by_file(past: history.History, folder: Path) -> scoring.Features:
    merchants.write_payments(folder)
    merchants.write_departures(folder)
    return merchants.of_file(folder).features(past)


def row_by_row(past: history.History) -> scoring.Features:
    return merchants.of_file(None).features(past)


def test_the_file_and_the_look_ups_and_the_live_query_see_the_same(tmp_path: Path) -> None:
    store.write(traffic.departing(traffic.rows(1_500, users=12)))
    departures.bring_up_to_date()
    past = everything()
    features = row_by_row(past)
    assert np.nanmax(features.column("merchant_seen")) > 60
    assert np.nansum(features.column("merchant_departures_14d")) > 0
    np.testing.assert_array_equal(by_file(past, tmp_path).values, features.values)
    for i in range(0, len(past), 71):
        row = Transaction.objects.get(pk=past.id_of(i))
        live = scorer.features_of(user_id=row.user_id, txn_date=row.txn_date, id=row.id)
        np.testing.assert_array_equal(live.values[0], features.values[i])


def test_a_late_row_is_seen_by_the_later_rows_of_its_merchant(tmp_path: Path) -> None:
    rows = traffic.rows(600, users=5)
    late = next(row for row in rows[100:] if "merchant_id" in row.meta_data)
    store.write([row for row in rows if row.id != late.id])
    before = row_by_row(everything())
    store.write([late])
    past = everything()
    after = row_by_row(past)
    assert np.nansum(after.column("merchant_seen")) > np.nansum(before.column("merchant_seen"))
    np.testing.assert_array_equal(by_file(past, tmp_path).values, after.values)


def at_one_merchant(count: int, merchant: str, seed: int) -> list[Row]:
    rows = traffic.rows(count, users=300, seed=seed)
    meta_data = f'{{"merchant_id":"{merchant}"}}'
    return [Row(row.id, row.user_id, row.amount, "EUR", row.txn_date, row.status, meta_data) for row in rows]


def test_a_huge_merchant_costs_no_more_than_its_last_payments() -> None:
    store.write(
        [*at_one_merchant(6_000, "huge", 1), *(row for n in range(60) for row in at_one_merchant(9, f"m{n}", n + 2))]
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE transactions")
    latest = Transaction.objects.filter(merchant_id="huge").order_by("-txn_date", "-id")[0]
    for mode in ("force_custom_plan", "force_generic_plan"):
        plan = planned(latest.user_id, latest, mode)
        index = next(node for node in nodes(plan) if node.get("Index Name") == "ix_merchant_visits")
        assert index["Node Type"] in ("Index Scan", "Index Only Scan")
        assert index["Actual Rows"] <= scoring.STRETCH_ROWS
        scans = [node for node in nodes(plan) if node["Node Type"] == "Seq Scan"]
        assert "transactions" not in [node["Relation Name"] for node in scans]
        # Of a table that is known to be empty, as the others are here, nothing is read in any way.
        assert not any(node["Actual Rows"] or node.get("Rows Removed by Filter") for node in scans)
        assert index["Shared Hit Blocks"] + index["Shared Read Blocks"] < 2 * scoring.STRETCH_ROWS


def planned(user_id: UUID, row: Transaction, mode: str) -> dict[str, object]:
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL plan_cache_mode = {mode}")
        bound = {**lookback.limits(), "user_id": user_id, "txn_date": row.txn_date, "id": row.id}
        cursor.execute("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + lookback.SEEN_BY_STORED.sql, bound)
        found = cursor.fetchone()[0]
    parsed = json.loads(found) if isinstance(found, str) else found
    plan: dict[str, object] = parsed[0]["Plan"]
    return plan


def nodes(plan: dict[str, object]) -> list[dict[str, object]]:
    children: list[dict[str, object]] = plan.get("Plans", [])  # type: ignore[assignment]
    return [plan, *(found for child in children for found in nodes(child))]


def test_without_a_merchant_nothing_is_seen_and_nothing_breaks(tmp_path: Path) -> None:
    rows = traffic.rows(50, users=2)
    store.write([Row(r.id, r.user_id, r.amount, r.currency, r.txn_date, r.status, "{}") for r in rows])
    past = everything()
    features = by_file(past, tmp_path)
    np.testing.assert_array_equal(features.values, row_by_row(past).values)
    assert np.isnan(features.column("merchant_seen")).all()


def test_the_file_is_written_only_where_it_is_cheaper(tmp_path: Path) -> None:
    store.write(traffic.rows(400, users=4))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE transactions")
    past = everything()
    whole, some = (merchants.Stretches(tmp_path, users=4) for _ in range(2))
    one = np.zeros_like(past.wanted)
    one[7] = True
    assert whole.features(past).values.shape[0] == 400
    assert whole.shared == tmp_path
    some.users = 1
    some.features(past, one)
    assert some.shared is None


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_the_file_may_be_written_beside_other_work(tmp_path: Path) -> None:
    store.write(traffic.rows(400, users=4))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE transactions")
    past = everything()
    expected = row_by_row(past).values
    begun, few = merchants.Stretches(tmp_path), merchants.Stretches(tmp_path)
    with ThreadPoolExecutor(1) as thread:
        begun.begin(400, thread)
        few.begin(3, thread)
        assert (begun.is_decided, few.is_decided) == (True, False)
        few.is_decided = True
        np.testing.assert_array_equal(begun.features(past).values, expected)
        np.testing.assert_array_equal(few.features(past).values, expected)
    assert (begun.shared, few.shared) == (tmp_path, None)


def test_the_file_of_a_run_is_gone_at_its_end() -> None:
    with merchants.stretches(users=1) as stretches:
        folder = stretches.folder
        assert folder is not None
        assert folder.exists()
    assert not folder.exists()
