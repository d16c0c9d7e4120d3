from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.transactions.bad_rows import CASES, CSV_CASES
from tests.transactions.row_cases import Case, from_json, good
from transactions.currencies import CURRENCIES
from transactions.rows import FIELDS, BadRow, Row, check
from transactions.strict_json import loads

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
PLAIN = {
    "user_id": "6f1c2a34-5b6d-4e7f-8a9b-0c1d2e3f4a5b",
    "amount": "1",
    "currency": "EUR",
    "txn_date": "2026-01-02T03:04:05Z",
    "status": "completed",
}
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=20)
ANY_VALUE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.decimals()
    | st.binary()
    | ANY_TEXT
    | st.sampled_from(["1e5", "2026-01-02T03:04:60Z", "9999-12-31T23:59:59-23:59", "EUR", Decimal("1e999999")]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
    max_leaves=6,
)


def written(row: Row) -> dict[str, str]:
    return {
        "id": str(row.id),
        "user_id": str(row.user_id),
        "amount": str(row.amount),
        "currency": row.currency,
        "txn_date": row.txn_date.isoformat(),
        "status": row.status,
        "meta_data": row.meta_data,
    }


def codes(bad: BadRow) -> tuple[tuple[str, str], ...]:
    return tuple((problem.field, problem.code) for problem in bad.problems)


def judged(read: Callable[[], Row]) -> tuple[tuple[tuple[str, str], ...], dict[str, str]]:
    """The problems of a bad row, or what is kept of a good one."""
    try:
        return (), written(read())
    except BadRow as bad:
        return codes(bad), {}


def refused(**changes: object) -> BadRow:
    with pytest.raises(BadRow) as caught:
        check({**PLAIN, **changes}, now=NOW)
    return caught.value


def test_the_table_has_many_cases_and_each_is_named_once() -> None:
    assert len(CASES) >= 60
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_row_in_json_is_judged_as_the_table_says(case: Case) -> None:
    assert judged(lambda: from_json(case.json.encode(), now=NOW)) == (case.problems, case.stored)


@pytest.mark.parametrize("case", CSV_CASES, ids=lambda case: case.name)
def test_a_row_in_cells_is_judged_as_the_table_says(case: Case) -> None:
    assert case.cells is not None
    cells = {field: cell for field, cell in case.cells.items() if cell}
    assert judged(lambda: check(cells, now=NOW)) == (case.csv_problems, case.stored)


@pytest.mark.parametrize("case", CSV_CASES, ids=lambda case: case.name)
def test_both_notations_agree(case: Case) -> None:
    """A JSON number may have an exponent and JSON as a whole may be broken: no other difference."""
    told = {code for _, code in case.problems}
    if told != {code for _, code in case.csv_problems}:
        assert told <= {
            "too_many_digits",
            "too_many_decimals",
            "number_out_of_range",
            "nan_or_infinity",
            "not_a_number",
        }
    assert bool(case.problems) == bool(case.csv_problems)


def test_an_absent_id_becomes_a_new_uuid_in_the_order_of_time() -> None:
    first, second = check(PLAIN, now=NOW).id, check({**PLAIN, "id": None}, now=NOW).id
    assert first.version == second.version == 7
    assert first < second


def test_a_time_may_lie_24_hours_ahead_and_no_microsecond_more() -> None:
    edge = NOW + timedelta(hours=24)
    assert check({**PLAIN, "txn_date": edge.isoformat()}, now=NOW).txn_date == edge
    beyond = refused(txn_date=(edge + timedelta(microseconds=1)).isoformat())
    assert codes(beyond) == (("txn_date", "in_the_future"),)


def test_times_come_in_utc() -> None:
    row = check({**PLAIN, "txn_date": "2026-01-02T03:04:05+05:30"}, now=NOW)
    assert row.txn_date.tzinfo is UTC


def test_every_problem_says_what_to_do() -> None:
    for case in CASES:
        if not case.is_good:
            with pytest.raises(BadRow) as caught:
                from_json(case.json, now=NOW)
            for _, code, detail in caught.value.problems:
                assert code.replace("_", "").isalnum()
                assert code == code.lower()
                assert detail.endswith(".")
                assert detail.isascii()
                assert len(detail) < 200


def test_a_value_is_quoted_short_and_printable() -> None:
    (problem,) = refused(currency="\n" + "x" * 1000).problems
    assert "\\nxxx" in problem.detail
    assert "\n" not in problem.detail


def test_of_many_unknown_fields_only_some_are_told() -> None:
    bad = refused(**{f"column_{n}": "1" for n in range(1000)})
    assert len(bad.problems) == 20
    assert {problem.code for problem in bad.problems} == {"unknown_field"}


@pytest.mark.parametrize("name", ["\ud800", "a\x00b", "x" * 100_000])
def test_a_strange_field_name_can_be_told(name: str) -> None:
    (problem,) = refused(**{name: "1"}).problems
    assert problem.code == "unknown_field"
    assert problem.field.isprintable()
    assert len(problem.field.encode()) < 600


def test_a_float_is_refused_wherever_it_hides() -> None:
    assert codes(refused(amount=1.5)) == (("amount", "not_a_number"),)
    assert codes(refused(meta_data={"a": [1.5]})) == (("meta_data", "not_json"),)


def test_keys_of_meta_data_come_sorted_so_that_equal_contents_have_equal_texts() -> None:
    one = check({**PLAIN, "meta_data": {"b": 1, "a": {"d": "x", "c": None}}}, now=NOW)
    other = check({**PLAIN, "meta_data": '{"a":{"c":null,"d":"x"},"b":1}'}, now=NOW)
    assert one.meta_data == other.meta_data == '{"a":{"c":null,"d":"x"},"b":1}'


def test_currencies_are_iso_4217_without_the_two_that_are_no_money() -> None:
    assert len(CURRENCIES) == 188
    assert {"EUR", "USD", "JPY", "KWD", "XAU", "XDR", "HRK"} <= CURRENCIES
    assert not {"XXX", "XTS", "EURO", ""} & CURRENCIES


@given(st.dictionaries(st.sampled_from(FIELDS) | ANY_TEXT, ANY_VALUE))
@settings(max_examples=300, deadline=None)
@example({"meta_data": {1: "a", "b": 2}})
@example({"meta_data": {"a": b"x"}})
@example({"meta_data": {"\ud800": 1}})
@example({"amount": Decimal("NaN")})
@example({"amount": Decimal("sNaN"), "meta_data": {"a": Decimal("Infinity")}})
def test_anything_is_a_row_or_a_bad_row(raw: dict[str, object]) -> None:
    problems, stored = judged(lambda: check(raw, now=NOW))
    assert bool(problems) != bool(stored)
    assert all(field.isprintable() for field, _ in problems)


def test_integers_that_python_cannot_print_are_told() -> None:
    bad = refused(amount=10**5000, currency=10**5000, status=-(10**5000), meta_data={"a": 10**5000})
    assert codes(bad) == (
        ("amount", "too_many_digits"),
        ("currency", "not_a_currency"),
        ("status", "not_a_status"),
        ("meta_data", "number_out_of_range"),
    )


@pytest.mark.parametrize("raw", [None, 1, "row", ["row"], b"{}"])
def test_what_is_no_object_is_no_row(raw: object) -> None:
    with pytest.raises(BadRow) as caught:
        check(raw, now=NOW)  # type: ignore[arg-type]
    assert codes(caught.value) == (("", "not_an_object"),)


@given(
    st.dictionaries(
        ANY_TEXT,
        st.recursive(
            st.none() | st.booleans() | st.integers() | ANY_TEXT | st.decimals(allow_nan=False, allow_infinity=False),
            lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
            max_leaves=6,
        ),
        max_size=4,
    )
)
@settings(deadline=None)
def test_meta_data_that_is_accepted_reads_back_as_it_was(meta_data: dict[str, object]) -> None:
    problems, stored = judged(lambda: check({**PLAIN, "meta_data": meta_data}, now=NOW))
    assert {field for field, _ in problems} <= {"meta_data"}
    if stored:
        assert loads(stored["meta_data"]) == meta_data
        assert check({**PLAIN, "meta_data": stored["meta_data"]}, now=NOW).meta_data == stored["meta_data"]


def test_a_good_case_knows_its_id() -> None:
    assert good("plain").id == UUID(good("plain").stored["id"])
