"""Rows checked by columns are those that rows.check takes, and as it takes them; all others are left to it."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.transactions.bad_rows import CASES, CSV_CASES
from tests.transactions.row_cases import Case
from transactions import lines, plain, rows
from transactions.strict_json import BadJson, loads

NOW = datetime.now(UTC)


def row(**changes: object) -> dict[str, Any]:
    plain_row = {
        "id": str(uuid4()),
        "user_id": str(uuid4()),
        "amount": "12.50",
        "currency": "EUR",
        "txn_date": "2024-06-01T12:00:00.5+02:00",
        "status": "completed",
        "meta_data": {"merchant_id": "m-1", "ä": "😀", "n": 3, "is": True, "none": None},
    }
    return {**plain_row, **changes}


def meant(text: str) -> rows.Row:
    """The row that a line stands for, by the law."""
    cells = text.removesuffix("\n").replace("\\\\", "\\").split("\t")
    return rows.check(dict(zip(lines.COLUMNS, cells, strict=True)), now=NOW)


def agrees(raws: list[Any]) -> bool:
    """Whether they were read by columns; then each must be what rows.check makes of it."""
    found = plain.read(raws, NOW)
    if found is None:
        return False
    checked = [rows.check(raw, now=NOW) for raw in raws]
    assert [meant(text) for text in found.texts] == checked
    assert [text.split("\t")[-1] for text in found.texts] == [lines.line(one).split("\t")[-1] for one in checked]
    assert found.ids == [str(one.id) for one in checked]
    assert found.users == [str(one.user_id) for one in checked]
    assert found.dates == [one.txn_date for one in checked]
    return True


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"meta_data": {}},
        {"meta_data": None},
        {"meta_data": '{"merchant_id": "x", "a": 1}'},
        {"amount": "0.00", "status": "x", "currency": "XAU"},
        {"amount": "999999999999999999.99", "txn_date": "1970-01-01T00:00:00Z"},
    ],
)
def test_what_is_written_as_most_are_is_read_by_columns(changes: dict[str, object]) -> None:
    assert agrees([row(**changes)])
    assert agrees([row(), row(**changes), row()])


def test_meta_data_may_be_absent() -> None:
    bare = row()
    del bare["meta_data"]
    assert agrees([bare, row()])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_no_row_of_the_table_is_judged_otherwise(case: Case) -> None:
    try:
        raw = loads(case.json.encode("utf-8", "surrogatepass"))
    except BadJson:
        return
    taken = agrees([row(), raw, row()])
    assert case.is_good or not taken


@pytest.mark.parametrize("case", CSV_CASES, ids=lambda case: case.name)
def test_no_cells_of_the_table_are_judged_otherwise(case: Case) -> None:
    assert case.cells is not None
    taken = agrees([{name: cell for name, cell in case.cells.items() if cell}])
    assert not case.csv_problems or not taken


# What could make one row of two, or two of one, in a text of all.
@pytest.mark.parametrize("field", rows.FIELDS)
@pytest.mark.parametrize("text", ["\t", "\n", "a\tb", "\tEUR\tcompleted\n", "\\", "\\N", "\\.", "", "\x00", "\ud800"])
def test_no_value_reaches_into_its_neighbours(field: str, text: str) -> None:
    given_row = row()
    value = given_row[field]
    for changed in (text, f"{value}{text}", f"{text}{value}"):
        # An empty text beside the value is no change at all.
        assert not agrees([row(), {**given_row, field: changed}, row()]) or changed == value


def test_two_lines_in_one_status_are_not_two_rows() -> None:
    first, second = row(meta_data={}), row(meta_data={})
    inner = "\t".join(second[name] for name in ("user_id", "txn_date", "id", "amount", "currency", "status"))
    assert plain.read([{**first, "status": f"completed\n{inner}"}], NOW) is None
    assert plain.read([{**first, "status": f"completed\n{inner}"}, {}], NOW) is None


@pytest.mark.parametrize(
    "meta_data",
    [
        {"merchant_id": "x" * 201},
        {"merchant_id": None},
        {"merchant_id": ["x"]},
        {"merchant_id": True},
        {"a": "x" * rows.META_DATA_BYTES},
        {"a": 2**64},
        {"a": "\n"},
        {"a": {"b": 1}},
        {"a": [1]},
        [],
        5,
        "[]",
        '{"a": 1, "a": 2}',
    ],
)
def test_what_is_not_plain_in_meta_data_is_left_to_the_law(meta_data: object) -> None:
    assert not agrees([row(meta_data=meta_data)])


def test_the_nil_uuid_and_fields_that_nobody_knows_are_left_to_the_law() -> None:
    nil = "00000000-0000-0000-0000-000000000000"
    for changes in ({"id": nil}, {"user_id": nil}, {"colour": "red"}):
        assert not agrees([row(**changes)])


def test_the_future_begins_a_day_from_now() -> None:
    assert agrees([row(txn_date=(NOW + timedelta(hours=24)).isoformat())])
    assert not agrees([row(), row(txn_date=(NOW + timedelta(hours=24, microseconds=1)).isoformat())])


TEXT = st.text(max_size=12)
VALUES = st.one_of(
    TEXT,
    st.integers(),
    st.decimals(allow_nan=False),
    st.none(),
    st.booleans(),
    st.from_regex(plain._TIME, fullmatch=True),
    st.from_regex(r"[0-9]{1,3}(\.[0-9]{1,3})?", fullmatch=True),
    st.sampled_from(["EUR", "eur", "XTS", "completed", "0.00", "-0.00", "2024-02-30T00:00:00Z"]),
    st.uuids().map(str),
    st.dictionaries(TEXT, st.one_of(TEXT, st.integers(), st.none(), st.lists(TEXT, max_size=2)), max_size=3),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from([*rows.FIELDS, "colour"]), VALUES, max_size=2), min_size=1, max_size=3))
def test_whatever_is_read_by_columns_is_what_the_law_says(changes: list[dict[str, Any]]) -> None:
    assert agrees([row(**one) for one in changes]) or any(changes)
