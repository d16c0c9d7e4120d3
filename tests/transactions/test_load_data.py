"""`load_data` through its door: what is taken, in which shapes, and what the counts say."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

import pytest
from django.db import OperationalError

from anomalies.models import PendingScore
from tests.transactions.loads import (
    HEADER,
    SHOP,
    SHOP_OPTIONS,
    USER,
    counts,
    csv_rejects,
    load,
    row,
    shop_row,
    stored,
    uuid_of,
    write,
)
from transactions.loading import chunks, records
from transactions.loading import load as load_module
from transactions.loading.shape import identifier
from transactions.models import Load, Transaction

pytestmark = pytest.mark.django_db


def test_a_file_in_our_own_shape_needs_no_options(tmp_path: Path) -> None:
    told = load(write(tmp_path / "own.csv", HEADER, row(1, meta_data='{"merchant_id":"m1"}'), row(2)))
    assert counts(told) == (2, 0, 0, 0)
    assert stored()[0] == {
        "id": UUID(uuid_of(1)),
        "user_id": UUID(USER),
        "amount": Decimal("12.34"),
        "currency": "EUR",
        "txn_date": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        "status": "completed",
        "meta_data": {"merchant_id": "m1"},
    }
    assert stored()[1]["meta_data"] == {}


def test_a_shops_own_shape_is_told_by_options(tmp_path: Path) -> None:
    told = load(write(tmp_path / "shop.csv", SHOP, shop_row(1), shop_row(2)), *SHOP_OPTIONS)
    assert counts(told) == (2, 0, 0, 0)
    found = Transaction.objects.get(merchant_id="shop 1")
    namespace = uuid5(NAMESPACE_URL, "shop")
    assert (found.id, found.user_id) == (uuid5(namespace, "1"), uuid5(namespace, "customer 1"))
    assert found.meta_data == {"original_id": "1", "original_user_id": "customer 1", "merchant_id": "shop 1"}
    assert (found.currency, found.status) == ("EUR", "completed")
    assert found.txn_date == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_ndjson_gives_the_same_transactions_as_csv(tmp_path: Path) -> None:
    values = {"ORDER": 1, "CUSTOMER": "customer 1", "TOTAL": "12.34", "PAID_AT": "2026-01-02 03:04:05"}
    load(write(tmp_path / "shop.ndjson", json.dumps({**values, "SHOP": "shop 1"})), *SHOP_OPTIONS)
    told = load(write(tmp_path / "shop.csv", SHOP, shop_row(1)), *SHOP_OPTIONS)
    assert counts(told) == (0, 1, 0, 0)


def test_several_files_are_loaded_in_one_go(tmp_path: Path) -> None:
    files = [write(tmp_path / f"{n}.csv", HEADER, row(n), row(n + 1)) for n in (1, 2, 3)]
    told = load(*files)
    assert counts(told) == (4, 2, 0, 0)
    assert [file["rows"] for file in told["files"]] == [2, 2, 2]


@pytest.mark.parametrize(
    ("name", "zipped"),
    [("rows.csv.gz", True), ("rows.csv", True), ("rows.csv.gz", False), ("rows", True), ("rows.txt", False)],
)
def test_gzip_is_known_by_its_content_whatever_the_name(tmp_path: Path, name: str, zipped: bool) -> None:
    assert counts(load(write(tmp_path / name, HEADER, row(1), zipped=zipped))) == (1, 0, 0, 0)


@pytest.mark.parametrize("name", ["rows.ndjson", "rows.jsonl", "rows.json", "rows.ndjson.gz", "rows"])
def test_ndjson_is_known_by_its_name_or_its_first_byte(tmp_path: Path, name: str) -> None:
    values = dict(zip(HEADER.split(",")[:-1], row(1).split(",")[:-1], strict=True))
    path = write(tmp_path / name, "", json.dumps(values), zipped=name.endswith("gz"))
    assert counts(load(path)) == (1, 0, 0, 0)


def test_the_format_can_be_said(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.ndjson", HEADER, row(1))
    assert counts(load(path, "--format=csv")) == (1, 0, 0, 0)


def test_a_renamed_or_compressed_copy_is_the_same_file(tmp_path: Path) -> None:
    load(write(tmp_path / "rows.csv", HEADER, row(1)))
    told = load(write(tmp_path / "copy.csv.gz", HEADER, row(1), zipped=True))
    assert told["earlier"]["rows"] == 1
    assert counts(told) == (1, 0, 0, 0)


def test_standard_input_is_loaded_and_known_again(own_database: str, tmp_path: Path) -> None:
    def run(*arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "manage.py", *arguments]
        environment = {"DATABASE_URL": own_database, "SECRET_KEY": "x" * 50, "PATH": ""}
        return subprocess.run(command, input=given, capture_output=True, text=True, env=environment, check=True)

    run("migrate", "-v0")
    given = "\n".join([HEADER, row(1), row(2)])
    first, second = (run("load_data", "-", "--json", "--no-score", given=given) for _ in range(2))
    assert counts(json.loads(first.stdout)) == (2, 0, 0, 0)
    assert json.loads(second.stdout)["earlier"]["rows"] == 2
    assert (first.stdout.count("\n"), first.stderr) == (1, "")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found_out(tmp_path: Path, delimiter: str) -> None:
    path = write(tmp_path / "rows.csv", *(line.replace(",", delimiter) for line in (SHOP, shop_row(1), shop_row(2))))
    assert counts(load(path, *SHOP_OPTIONS)) == (2, 0, 0, 0)


def test_the_delimiter_can_be_said(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.csv", SHOP.replace(",", "#"), shop_row(1).replace(",", "#"))
    assert counts(load(path, *SHOP_OPTIONS, "--delimiter=#")) == (1, 0, 0, 0)
    path = write(tmp_path / "rows.tsv", SHOP.replace(",", "\t"), shop_row(2).replace(",", "\t"))
    assert counts(load(path, *SHOP_OPTIONS, "--delimiter=tab")) == (1, 0, 0, 0)


def test_quoted_cells_keep_line_ends_delimiters_and_quotes(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.csv", f"{HEADER},note", f'{row(1)},"a ""b"",\nc"', row(2) + ",", end="\r\n")
    assert counts(load(path)) == (2, 0, 0, 0)
    assert stored()[0]["meta_data"] == {"note": 'a "b",\nc'}


def test_byte_order_mark_and_empty_lines_are_no_rows(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.csv", "\ufeff" + HEADER, "", row(1), "   ", row(2), "", end="\r\n")
    assert counts(load(path)) == (2, 0, 0, 0)


def test_other_encodings_can_be_said(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.csv", f"{HEADER},city", f"{row(1)},Köln", encoding="latin-1")
    assert counts(load(path, "--encoding=latin-1")) == (1, 0, 0, 0)
    assert stored()[0]["meta_data"] == {"city": "Köln"}


META = [
    ([], {"a": "1", "b": "2", "c": "3"}),
    (["--meta=none"], {}),
    (["--meta=a,c"], {"a": "1", "c": "3"}),
    (["--meta=country=b"], {"country": "2"}),
    (["--meta=country=b,all"], {"country": "2", "a": "1", "c": "3"}),
    (["--meta=a", "--meta=category=b"], {"a": "1", "category": "2"}),
    (["--meta=a", '--set="meta_data.channel=card, online"'], {"a": "1", "channel": "card, online"}),
]


@pytest.mark.parametrize(("options", "expected"), META)
def test_further_columns_go_into_meta_data_as_chosen(
    tmp_path: Path, options: list[str], expected: dict[str, str]
) -> None:
    load(write(tmp_path / "rows.csv", f"{HEADER},a,b,c", f"{row(1)},1,2,3"), *options)
    assert stored()[0]["meta_data"] == expected


@pytest.mark.parametrize(("options", "expected"), META)
def test_further_keys_of_ndjson_do_likewise(tmp_path: Path, options: list[str], expected: dict[str, str]) -> None:
    values = dict(zip(HEADER.split(",")[:-1], row(1).split(",")[:-1], strict=True))
    load(write(tmp_path / "rows.ndjson", json.dumps({**values, "a": "1", "b": "2", "c": "3"})), *options)
    assert stored()[0]["meta_data"] == expected


def test_nested_keys_of_ndjson_stay_what_they_are(tmp_path: Path) -> None:
    values = dict(zip(HEADER.split(",")[:-1], row(1).split(",")[:-1], strict=True))
    further = {"shop": {"city": "Köln", "geo": [50.9375, 6.9603]}, "tip": None, "meta_data": {"merchant_id": 7}}
    load(write(tmp_path / "rows.ndjson", json.dumps({**values, **further})))
    expected = {"shop": {"city": "Köln", "geo": [50.9375, 6.9603]}, "tip": None, "merchant_id": 7}
    assert stored()[0]["meta_data"] == expected


def test_meta_data_and_a_column_that_disagree_are_refused(tmp_path: Path) -> None:
    rows = [f"{row(n, meta_data=json.dumps({'city': 'Bonn'}))},{city}" for n, city in ((1, "Bonn"), (2, "Köln"))]
    told = load(write(tmp_path / "rows.csv", f"{HEADER},city", *rows))
    assert counts(told) == (1, 0, 0, 1)
    assert csv_rejects(told)[0]["reject_code"] == "duplicate_key"


def test_uuids_stay_as_they_are_in_a_namespace(tmp_path: Path) -> None:
    plain = UUID(uuid_of(1))
    lines = [f"{plain},{UUID(USER).hex},1,2026-01-02 03:04:05,s"]
    load(write(tmp_path / "rows.csv", SHOP, *lines), *SHOP_OPTIONS)
    (found,) = stored()
    assert (found["id"], found["user_id"], found["meta_data"]) == (plain, UUID(USER), {"merchant_id": "s"})


def test_without_a_namespace_other_identifiers_are_refused(tmp_path: Path) -> None:
    told = load(write(tmp_path / "rows.csv", SHOP, shop_row(1)), *SHOP_OPTIONS[:-1])
    assert counts(told) == (0, 0, 0, 1)
    assert csv_rejects(told)[0]["reject_code"] == "not_a_uuid; not_a_uuid"


def test_identifier_is_what_anybody_can_compute() -> None:
    assert identifier("acme", "596") == str(uuid5(uuid5(NAMESPACE_URL, "acme"), "596"))


def test_rows_without_an_id_get_one_of_their_line_and_content(tmp_path: Path) -> None:
    header, same = "user_id,amount,currency,txn_date,status", f"{USER},1,EUR,2026-01-02T03:04:05Z,completed"
    path = write(tmp_path / "rows.csv", header, same, same)
    assert counts(load(path)) == (2, 0, 0, 0)
    assert counts(load(path, "--again")) == (0, 2, 0, 0)
    # Rows that follow leave those before them what they are.
    assert counts(load(write(path, header, same, same, same))) == (1, 2, 0, 0)


def test_a_row_with_an_empty_id_gets_one_too(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.csv", HEADER, row(1).replace(uuid_of(1), ""))
    assert counts(load(path)) == (1, 0, 0, 0)
    assert counts(load(path, "--again")) == (0, 1, 0, 0)


def test_the_column_id_can_be_left_out(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.csv", HEADER, row(1), row(2))
    assert counts(load(path, "--map=id=", "--meta=number=id")) == (2, 0, 0, 0)
    assert {found["meta_data"]["number"] for found in stored()} == {uuid_of(1), uuid_of(2)}
    assert str(stored()[0]["id"]) not in (uuid_of(1), uuid_of(2))


LOCAL = [
    ("2026-07-01 12:00:00", "Europe/Berlin", "2026-07-01T10:00:00+00:00"),
    ("2026-01-01T12:00:00.25", "Europe/Berlin", "2026-01-01T11:00:00.250000+00:00"),
    ("2026-01-01 12:00", "America/New_York", "2026-01-01T17:00:00+00:00"),
    ("2026-07-01 12:00:00", "Asia/Kathmandu", "2026-07-01T06:15:00+00:00"),
    ("2026-07-01 12:00:00", "UTC", "2026-07-01T12:00:00+00:00"),
    # An offset of its own counts more than the zone.
    ("2026-07-01T12:00:00+05:00", "Europe/Berlin", "2026-07-01T07:00:00+00:00"),
    # 02:30 happened twice when the clocks were set back: the first one counts.
    ("2025-10-26 02:30:00", "Europe/Berlin", "2025-10-26T00:30:00+00:00"),
    ("2025-10-26 03:00:00", "Europe/Berlin", "2025-10-26T02:00:00+00:00"),
]


@pytest.mark.parametrize(("text", "zone", "expected"), LOCAL)
def test_times_without_offset_are_read_in_the_zone(tmp_path: Path, text: str, zone: str, expected: str) -> None:
    told = load(
        write(tmp_path / "rows.csv", SHOP, shop_row(1, paid_at=text)), *SHOP_OPTIONS[:-2], f"--timezone={zone}",
        "--namespace=shop",
    )  # fmt: skip
    assert counts(told) == (1, 0, 0, 0)
    assert stored()[0]["txn_date"].isoformat() == expected


@pytest.mark.parametrize(
    ("text", "zone", "code"),
    [
        ("2026-03-29 02:30:00", "Europe/Berlin", "no_such_local_time"),
        ("2026-02-30 02:30:00", "Europe/Berlin", "not_a_time"),
        ("2016-12-31 23:59:60", "Europe/Berlin", "leap_second"),
        ("29.03.2026 02:30", "Europe/Berlin", "not_a_time"),
        ("2026-01-02 03:04:05", "", "no_offset"),
    ],
)
def test_times_that_no_clock_showed_are_refused(tmp_path: Path, text: str, zone: str, code: str) -> None:
    options = (*SHOP_OPTIONS[:-2], f"--timezone={zone}", "--namespace=shop")
    told = load(write(tmp_path / "rows.csv", SHOP, shop_row(1), shop_row(2, paid_at=text)), *options)
    assert csv_rejects(told)[-1]["reject_code"] == code


def test_the_same_content_is_a_duplicate_and_other_content_a_conflict(tmp_path: Path) -> None:
    load(write(tmp_path / "first.csv", HEADER, row(1), row(2)))
    told = load(write(tmp_path / "second.csv", HEADER, row(1), row(2, amount="99"), row(3), row(3), row(3, amount="1")))
    assert counts(told) == (1, 2, 2, 0)
    assert [str(found["amount"]) for found in stored()] == ["12.34", "12.34", "12.34"]
    conflict = csv_rejects(told)[0]
    assert (conflict["reject_line"], conflict["reject_code"], conflict["amount"]) == ("3", "conflict", "99")
    assert "another amount" in conflict["reject_detail"]


def test_loading_twice_adds_nothing_and_says_so(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.csv", HEADER, row(1), row(2), row(3, amount="x"))
    first, second = load(path), load(path)
    assert counts(first) == counts(second) == (2, 0, 0, 1)
    assert (first["earlier"]["rows"], second["earlier"]["rows"]) == (0, 3)
    assert second["files"][0]["reject_file"] == first["files"][0]["reject_file"]
    assert Transaction.objects.count() == 2


def test_other_options_are_another_load(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.csv", SHOP, shop_row(1))
    load(path, *SHOP_OPTIONS)
    told = load(path, *SHOP_OPTIONS[:-1], "--namespace=other")
    assert counts(told) == (1, 0, 0, 0)
    assert Load.objects.count() == 2


def test_again_reads_a_loaded_file_anew(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.csv", HEADER, row(1), row(2))
    load(path)
    Transaction.objects.filter(id=uuid_of(2)).delete()
    assert counts(load(path, "--again")) == (1, 1, 0, 0)


def test_a_load_goes_on_after_the_last_chunk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "ROWS_AT_ONCE", 10)
    rows = [row(n, amount="x" if n % 7 == 0 else "1", meta_data='{"a":\n"b"}') for n in range(95)]
    for zipped in (False, True):
        path = write(tmp_path / f"{zipped}.csv", HEADER, *rows, zipped=zipped)
        halted = load(path, "--max-rejects=5", "--again")
        assert halted["rejected"] == 6
        done = load(path)
        assert done["earlier"]["rows"] == halted["rows"] == 36
        assert (done["rows"], done["rejected"]) == (95, 14)
        assert [int(reject["reject_line"]) for reject in csv_rejects(done)] == [2 + 2 * n for n in range(0, 95, 7)]
    assert Transaction.objects.count() == 81


def test_a_chunk_whose_place_cannot_be_noted_stores_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "ROWS_AT_ONCE", 2)
    path = write(tmp_path / "rows.csv", HEADER, *(row(n, amount="x" if n % 2 else "1") for n in range(10)))
    advance, noted = load_module._advance, []

    def fail_the_third_time(*arguments: Any) -> None:
        noted.append(arguments)
        if len(noted) == 3:
            raise OperationalError("the server closed the connection unexpectedly")
        advance(*arguments)

    monkeypatch.setattr(load_module, "_advance", fail_the_third_time)
    told = load(path)
    assert told["error"].startswith("The database failed (the server closed the connection unexpectedly). 4 rows of")
    assert counts(told) == (2, 0, 0, 2)
    assert Transaction.objects.count() == PendingScore.objects.count() * 2 == 2
    done = load(path)
    assert counts(done) == (5, 0, 0, 5)
    assert [reject["reject_line"] for reject in csv_rejects(done)] == ["3", "5", "7", "9", "11"]


def test_users_of_new_rows_are_marked_to_be_scored(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.csv", HEADER, row(1))
    load(path)
    assert list(PendingScore.objects.values_list("user_id", flat=True)) == [UUID(USER)]
    PendingScore.objects.all().delete()
    load(path, "--again")
    assert not PendingScore.objects.exists()


def test_what_was_loaded_is_scored_unless_told_not_to(tmp_path: Path) -> None:
    load(write(tmp_path / "rows.csv", HEADER, row(1)), score=True)
    assert not PendingScore.objects.exists()


@pytest.mark.parametrize("kind", ["csv", "ndjson"])
def test_a_dry_run_tells_the_same_and_stores_nothing(tmp_path: Path, kind: str, monkeypatch: Any) -> None:
    monkeypatch.setattr(chunks, "ROWS_AT_ONCE", 2)
    load(write(tmp_path / "before.csv", HEADER, row(1), row(2)))
    amounts = [(1, "12.34"), (2, "99"), (3, "1"), (3, "1"), (3, "2"), (4, "x"), (3, "1"), (5, "1"), (3, "3")]
    lines = [row(number, amount=amount) for number, amount in amounts]
    if kind == "ndjson":
        lines = [json.dumps(dict(zip(HEADER.split(","), line.split(",")[:-1], strict=False))) for line in lines]
    path = write(tmp_path / f"rows.{kind}", *([HEADER] if kind == "csv" else []), *lines)
    rehearsed = load(path, "--dry-run")
    assert (Transaction.objects.count(), Load.objects.count()) == (2, 1)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["before.csv", f"rows.{kind}"]
    real = load(path)
    assert counts(rehearsed) == counts(real) == (2, 3, 3, 1)
    assert rehearsed["files"][0]["reasons"] == real["files"][0]["reasons"]


def test_keys_that_only_later_rows_of_ndjson_have_are_taken(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(records, "SAMPLE", 1)
    values = dict(zip(HEADER.split(",")[1:-1], row(1).split(",")[1:-1], strict=True))
    later = {"id": uuid_of(2), "meta_data": {"a": 1}, "b": 2}
    told = load(
        write(tmp_path / "rows.ndjson", json.dumps(values), json.dumps({**values, **later})), "--set=meta_data.c=3"
    )
    assert counts(told) == (2, 0, 0, 0)
    assert Transaction.objects.get(id=uuid_of(2)).meta_data == {"a": 1, "b": 2, "c": "3"}


def test_a_later_key_that_a_constant_would_hide_is_refused(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(records, "SAMPLE", 1)
    values = dict(zip(HEADER.split(",")[:-1], row(1).split(",")[:-1], strict=True))
    lines = [json.dumps(values), json.dumps({**values, "id": uuid_of(2), "c": 2})]
    told = load(write(tmp_path / "rows.ndjson", *lines), "--set=meta_data.c=3")
    assert counts(told) == (1, 0, 0, 1)
    assert told["files"][0]["reasons"] == {"meta_data: duplicate_key": 1}
