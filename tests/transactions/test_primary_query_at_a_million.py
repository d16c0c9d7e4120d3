import pytest

from benchmarks.primary_query import ANY_AMOUNT, HEAVY_USER, QUERIES, YEAR, plan_of, primary_query
from transactions.models import Transaction

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("a_million")]


@pytest.mark.parametrize("name", QUERIES)
def test_the_primary_query_reads_the_composite_index_and_sorts_nothing(name: str) -> None:
    plan = plan_of(primary_query(*QUERIES[name]))
    assert plan.kinds == ["Limit", "Index Scan"]
    assert plan.indexes == {"ix_user_date_amount_id"}


@pytest.mark.parametrize("name", QUERIES)
def test_the_whole_filter_is_answered_by_the_index(name: str) -> None:
    _, scan = plan_of(primary_query(*QUERIES[name])).nodes
    assert "Filter" not in scan
    for column in ("user_id", "txn_date", "amount"):
        assert column in scan["Index Cond"]


def test_a_page_of_a_heavy_user_costs_no_more_than_its_rows() -> None:
    plan = plan_of(primary_query(HEAVY_USER, YEAR, ANY_AMOUNT), run=True)
    assert plan.nodes[0]["Actual Rows"] == 100
    # 100 rows, a few index pages, and nothing else of the user's 100,000.
    assert plan.buffers < 150


def test_the_rows_come_in_the_order_of_the_query() -> None:
    page = list(primary_query(HEAVY_USER, YEAR, ANY_AMOUNT))
    assert len(page) == 100
    assert page == sorted(page, key=lambda one: (-one.txn_date.timestamp(), one.id))


def test_another_order_would_need_a_sort() -> None:
    """The guard itself: an order that the index does not have is seen as a sort node."""
    plan = plan_of(Transaction.objects.filter(user_id=HEAVY_USER).order_by("-txn_date", "-id")[:100])
    assert plan.sorts
