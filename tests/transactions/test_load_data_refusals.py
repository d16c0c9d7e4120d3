"""`load_data` and what it cannot take: files, options and rows, and reject files that are mended and loaded."""

import csv
import gzip
import io
import json
import os
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.utils import timezone

from tests.transactions.bad_rows import BAD, CASES, GOOD
from tests.transactions.loads import (
    HEADER,
    SHOP,
    SHOP_OPTIONS,
    counts,
    csv_rejects,
    load,
    row,
    shop_row,
    stored,
    uuid_of,
    write,
)
from transactions.loading import chunks
from transactions.models import Load, Transaction
from transactions.rows import FIELDS

pytestmark = pytest.mark.django_db

GZIPPED = gzip.compress("\n".join([HEADER, *(row(n) for n in range(1000))]).encode())
FILES = {
    "empty": (b"", 1, "is empty"),
    "blank": (b"\xef\xbb\xbf \r\n\n", 1, "is empty"),
    "empty gzip": (gzip.compress(b""), 1, "is empty"),
    "truncated gzip": (GZIPPED[:-9], 1, "the gzip file is incomplete"),
    "damaged gzip": (GZIPPED[:200] + b"\0\0\0\0" + GZIPPED[204:], 1, "damaged gzip"),
    "gzip with something after it": (GZIPPED + b"more", 1, "damaged gzip"),
    "not UTF-8": (f"{HEADER}\n{row(1)}\n".encode() + b"\xff\n", 1, "line 3: these bytes are not utf-8"),
    "cut within a character": (f"{HEADER}\n{row(1)}\n".encode() + b"\xc3", 1, "line 3: these bytes are not utf-8"),
    "UTF-16": (HEADER.encode("utf-16"), 1, "UTF-16"),
    "zip": (b"PK\x03\x04....", 1, "zip archive"),
    "zstd": (b"\x28\xb5\x2f\xfd....", 1, "zstd"),
    "one line without end": (b"x" * (17 << 20), 1, "longer than 16 MiB"),
    "JSON array": (b'[{"id": 1}]', 1, "jq"),
    "equal column names": (b"amount,amount,user_id\n", 2, "more than one column 'amount'"),
    "header not closed": (b'"amount,user_id\n1,2\n', 1, "has no header"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_cannot_be_read_is_told_and_nothing_is_loaded(tmp_path: Path, name: str) -> None:
    content, exit_code, sentence = FILES[name]
    good, path = write(tmp_path / "good.csv", HEADER, row(1)), tmp_path / "file"
    path.write_bytes(content)
    told = load(good, path)
    assert (told["exit_code"], told["rows"], Transaction.objects.count()) == (exit_code, 0, 0)
    assert sentence in told["error"]
    assert str(path) in told["error"]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["file", "good.csv"]


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    told = load(tmp_path / "nothing.csv")
    assert (told["exit_code"], told["error"]) == (
        1,
        f"{tmp_path}/nothing.csv cannot be read: No such file or directory.",
    )
    assert "Is a directory" in load(tmp_path)["error"]


def test_a_header_alone_is_a_load_of_no_rows(tmp_path: Path) -> None:
    told = load(write(tmp_path / "rows.csv", HEADER))
    assert (told["exit_code"], counts(told)) == (0, (0, 0, 0, 0))


WRONG_USE = {
    "unknown column": (["--map=amount=PRICE"], "has no column 'PRICE' (--map amount=PRICE). Its columns are: ORDER,"),
    "unknown column in --meta": (["--meta=country=LAND"], "has no column 'LAND'"),
    "unknown field": (["--map=amuont=TOTAL"], "there is no field 'amuont'"),
    "unknown field in --set": (["--set=curency=EUR"], "there is no field 'curency'"),
    "no equals sign": (["--set=EUR"], "write --set FIELD=EUR"),
    "a field twice": (["--map=amount=TOTAL,amount=SHOP"], "names amount twice"),
    "a field mapped and set": (["--map=currency=SHOP", "--set=currency=EUR"], "both say what currency is"),
    "a field from nowhere": (["--map=amount=TOTAL"], "Nothing says what user_id is"),
    "unknown zone": (["--timezone=Mars/Base"], "there is no such zone"),
    "a path as zone": (["--timezone=../../etc/passwd"], "there is no such zone"),
    "none with others": (["--meta=none,SHOP"], "stands alone"),
    "one key twice": ([*SHOP_OPTIONS, "--meta=SHOP,merchant_id=TOTAL"], "'merchant_id' twice"),
    "one reject file for two": ([*SHOP_OPTIONS, "--rejects=/nowhere/at/all"], "name a folder that exists"),
}


@pytest.mark.parametrize("name", WRONG_USE)
def test_options_that_do_not_fit_are_told_and_nothing_is_loaded(tmp_path: Path, name: str) -> None:
    options, sentence = WRONG_USE[name]
    files = [write(tmp_path / f"{number}.csv", SHOP, shop_row(number)) for number in (1, 2)]
    told = load(*files, *options)
    assert (told["exit_code"], Transaction.objects.count()) == (2, 0)
    assert sentence in told["error"]


def test_a_column_that_a_constant_would_hide_is_told(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.csv", HEADER, row(1))
    assert "would hide" in load(path, "--set=currency=USD")["error"]
    assert counts(load(path, "--set=currency=USD", "--map=currency=")) == (1, 0, 0, 0)
    assert (stored()[0]["currency"], stored()[0]["meta_data"]) == ("USD", {"currency": "EUR"})


@pytest.mark.parametrize(
    "arguments",
    [["--format=xml", "x"], ["--delimiter=ab", "x"], ["--max-rejects=-1", "x"], ["--encoding=utf-16", "x"], []],
)
def test_wrong_arguments_are_wrong_use(arguments: list[str]) -> None:
    with pytest.raises(CommandError):
        call_command("load_data", *arguments)


def test_names_of_keys_come_from_the_first_rows_of_ndjson(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.ndjson", '{"a": 1}', '{"b": 2}')
    assert load(path, "--map=amount=c")["error"].endswith("Its columns are: a, b.")


def test_every_reject_has_line_field_code_sentence_and_the_raw_row(tmp_path: Path) -> None:
    told = load(write(tmp_path / "rows.csv", HEADER, row(1), row(2, amount="1.999"), "", row(3, amount='"x\ny"')))
    first, second = csv_rejects(told)
    assert [*first] == [*HEADER.split(","), *(f"reject_{name}" for name in ("line", "field", "code", "detail", "raw"))]
    assert (first["id"], first["amount"]) == (uuid_of(2), "1.999")
    assert (first["reject_line"], first["reject_field"], first["reject_code"]) == ("3", "amount", "too_many_decimals")
    assert "2 decimals" in first["reject_detail"]
    assert (second["reject_line"], second["amount"]) == ("5", "x\ny")
    assert told["files"][0]["reasons"] == {"amount: too_many_decimals": 1, "amount: not_a_number": 1}
    assert told["files"][0]["examples"][0]["line"] == 3


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (f"{row(1)},more,cells", "wrong_cell_count"),
        (row(1).rpartition(",")[0], "wrong_cell_count"),
        (f'"{row(1)}', "bad_csv"),
        (f'{row(1)[:-2]}"x"y', "bad_csv"),
        (f'{row(1)},"', "bad_csv"),
    ],
)
def test_a_row_that_is_no_csv_costs_no_other_row(tmp_path: Path, line: str, code: str) -> None:
    told = load(write(tmp_path / "rows.csv", HEADER, row(2), line, row(3), row(4)))
    assert counts(told) == (3, 0, 0, 1)
    (reject,) = csv_rejects(told)
    assert (reject["reject_line"], reject["reject_code"], reject["reject_raw"]) == ("3", code, line)


def test_mended_csv_rejects_load_with_the_same_options(tmp_path: Path) -> None:
    path = write(tmp_path / "shop.csv.gz", SHOP, shop_row(1), shop_row(2, amount="1,5"), shop_row(3, amount='"1,5"'))
    rejects = Path(load(path, *SHOP_OPTIONS)["files"][0]["reject_file"])
    assert rejects == tmp_path / "shop.csv.gz.rejects.csv"
    rows = list(csv.DictReader(io.StringIO(rejects.read_text())))
    for mended, amount in zip(rows, ("1.50", "still wrong"), strict=True):
        mended |= {"TOTAL": amount, "PAID_AT": "2026-01-02 03:04:05", "SHOP": "shop"}
    with rejects.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    told = load(rejects, *SHOP_OPTIONS)
    assert counts(told) == (1, 0, 0, 1)
    (again,) = csv_rejects(told)
    assert (again["reject_line"], again["TOTAL"], again["reject_code"]) == ("4", "still wrong", "not_a_number")
    assert {found["meta_data"]["original_id"] for found in stored()} == {"1", "2"}
    assert "reject" not in str(stored())


def test_mended_ndjson_rejects_load_with_the_same_options(tmp_path: Path) -> None:
    good = json.dumps(dict(zip(HEADER.split(","), row(1).split(",")[:-1], strict=False)))
    wrong = good.replace(uuid_of(1), uuid_of(2)).replace('"12.34"', "1.999")
    worse = good.replace(uuid_of(1), uuid_of(3)).replace('"12.34"', "NaN")
    told = load(write(tmp_path / "rows.ndjson", good, wrong, worse, "{}", '{"note": "reject_line"}'))
    rejects = Path(told["files"][0]["reject_file"])
    lines = rejects.read_text().splitlines()
    assert [json.loads(line)["reject_line"] for line in lines] == [2, 3, 4, 5]
    assert lines[0].startswith(wrong[:-1])
    assert json.loads(lines[1])["reject_raw"] == worse
    write(rejects, lines[0].replace("1.999", "2"), worse.replace("NaN", "3"), *lines[2:])
    again = load(rejects)
    assert counts(again) == (2, 0, 0, 2)
    assert [str(found["amount"]) for found in stored()] == ["12.34", "2.00", "3.00"]
    left = Path(again["files"][0]["reject_file"]).read_text().splitlines()
    assert [json.loads(line)["reject_line"] for line in left] == [4, 5]
    assert left == lines[2:]


def test_a_mended_row_without_id_has_the_id_it_would_have_had(tmp_path: Path) -> None:
    header, good = HEADER.removeprefix("id,"), row(1).removeprefix(f"{uuid_of(1)},")
    path = write(tmp_path / "rows.csv", header, good, good.replace("12.34", "x"))
    rejects = Path(load(path)["files"][0]["reject_file"])
    write(rejects, *rejects.read_text().replace(",x,", ",12.34,").splitlines())
    assert counts(load(rejects)) == (1, 0, 0, 0)
    assert counts(load(write(path, header, good, good))) == (0, 2, 0, 0)


def test_a_reject_file_that_is_there_is_left_alone(tmp_path: Path) -> None:
    path, other = write(tmp_path / "rows.csv", HEADER, row(1, amount="x"), row(2)), tmp_path / "rows.csv.rejects.csv"
    other.write_text("somebody is mending this")
    assert load(path)["files"][0]["reject_file"] == str(tmp_path / "rows.csv.rejects.2.csv")
    assert other.read_text() == "somebody is mending this"


def test_a_reject_file_edited_before_the_load_goes_on_is_left_alone(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(chunks, "ROWS_AT_ONCE", 2)
    path = write(tmp_path / "rows.csv", HEADER, row(1, amount="x"), row(2), row(3, amount="y"))
    rejects = Path(load(path, "--max-rejects=0")["files"][0]["reject_file"])
    mended = rejects.read_text().replace(",x,", ",1,")
    rejects.write_text(mended)
    told = load(path)
    assert counts(told) == (1, 0, 0, 2)
    assert rejects.read_text() == mended
    assert [reject["amount"] for reject in csv_rejects(told)] == ["y"]


def test_the_reject_file_can_be_named_and_a_folder_takes_several(tmp_path: Path) -> None:
    files = [write(tmp_path / f"{number}.csv", HEADER, row(number), row(9, amount="x")) for number in (1, 2)]
    named = load(files[0], f"--rejects={tmp_path}/new/bad.csv")
    assert named["files"][0]["reject_file"] == f"{tmp_path}/new/bad.csv"
    told = load(*files, f"--rejects={tmp_path}/new", "--again")
    assert [file["reject_file"] for file in told["files"]] == [f"{tmp_path}/new/{n}.csv.rejects.csv" for n in (1, 2)]


def test_rejects_go_to_var_where_the_folder_cannot_be_written_to(tmp_path: Path, monkeypatch: Any) -> None:
    # A folder that is a file cannot be written to, not by root either.
    monkeypatch.setattr(settings, "BASE_DIR", tmp_path / "home")
    folder = tmp_path / "data"
    folder.mkdir()
    path = write(folder / "rows.csv", HEADER, row(1), row(2, amount="x"))
    monkeypatch.setattr(Path, "with_name", lambda self, name: Path("/proc/self/status") / name)
    told = load(path)
    assert told["files"][0]["reject_file"] == str(tmp_path / "home/var/rejects/rows.csv.rejects.csv")
    assert len(csv_rejects(told)) == 1


def test_rejects_are_not_a_failure_unless_nothing_is_left(tmp_path: Path) -> None:
    assert load(write(tmp_path / "1.csv", HEADER, row(1), row(2, amount="x")))["exit_code"] == 0
    told = load(write(tmp_path / "2.csv", HEADER, row(3, amount="x")))
    assert (told["exit_code"], told["error"]) == (1, "Not one row could be taken: do the options fit the file?")


def test_max_rejects_stops_and_what_was_loaded_stays(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(chunks, "ROWS_AT_ONCE", 3)
    rows = [row(number, amount="x" if number in (4, 7, 8) else "1") for number in range(12)]
    path = write(tmp_path / "rows.csv", HEADER, *rows)
    assert counts(load(path, "--dry-run", "--max-rejects=1")) == (6, 0, 0, 2)
    told = load(path, "--max-rejects=1")
    assert (told["exit_code"], counts(told)) == (1, (6, 0, 0, 2))
    assert "more than 1 rows were rejected" in told["error"]
    assert "the last in line 9" in told["error"]
    assert Transaction.objects.count() == 6
    assert len(csv_rejects(told)) == 2
    assert load(path, "--max-rejects=1")["exit_code"] == 1
    done = load(path, "--max-rejects=3")
    assert (done["exit_code"], counts(done), done["earlier"]["rows"]) == (0, (9, 0, 0, 3), 8)


def test_the_end_is_one_summary_line(tmp_path: Path) -> None:
    out, err = io.StringIO(), io.StringIO()
    path = write(tmp_path / "rows.csv", HEADER, row(1), row(1), row(1, amount="2"), row(2, amount="x"))
    call_command("load_data", str(path), "--no-score", stdout=out, stderr=err)
    assert out.getvalue().startswith("4 rows = 1 accepted + 1 duplicate + 1 conflict + 1 rejected, in ")
    assert out.getvalue().count("\n") == 1
    assert "line 5: amount: not_a_number: 'x' is not an amount" in err.getvalue()
    assert f"{path}.rejects.csv" in err.getvalue()


def as_csv(path: Path) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, FIELDS)
        writer.writeheader()
        writer.writerows([case.cells for case in CASES if case.cells is not None])
    return path


def as_stored(found: dict[str, Any]) -> dict[str, str]:
    return {
        **{field: str(found[field]) for field in ("id", "user_id", "amount", "currency", "status")},
        "txn_date": found["txn_date"].isoformat(),
    }


def assert_stored_as_told(cases: list[Any]) -> None:
    by_id = {str(found["id"]): found for found in stored()}
    assert by_id.keys() == {case.stored["id"] for case in cases}
    for case in cases:
        found = by_id[case.stored["id"]]
        plain = {field: text for field, text in case.stored.items() if field != "meta_data"}
        assert as_stored(found) == plain, case.name
        assert found["meta_data"] == json.loads(case.stored["meta_data"]), case.name


def test_csv_agrees_with_every_door_about_the_table_of_rows(tmp_path: Path) -> None:
    cases = [case for case in CASES if case.cells is not None]
    told = load(as_csv(tmp_path / "cases.csv"))
    bad = [case for case in cases if not case.is_good]
    assert counts(told) == (len(cases) - len(bad), 0, 0, len(bad))
    csv.field_size_limit(4 << 20)
    for case, reject in zip(bad, csv_rejects(told), strict=True):
        problems = zip(reject["reject_field"].split("; "), reject["reject_code"].split("; "), strict=True)
        assert tuple(problems) == case.csv_problems, case.name
    assert_stored_as_told([case for case in cases if case.is_good])


def test_ndjson_agrees_with_every_door_about_the_table_of_rows(tmp_path: Path) -> None:
    # A further key is no fault in a file: it goes into meta_data.
    bad = [case for case in BAD if case.problems[0][1] != "unknown_field"]
    told = load(write(tmp_path / "cases.ndjson", *(case.json for case in [*GOOD, *bad])))
    assert counts(told) == (len(GOOD), 0, 0, len(bad))
    lines = Path(told["files"][0]["reject_file"]).read_text().splitlines()
    for case, line in zip(bad, lines, strict=True):
        reject = json.loads(line)
        problems = zip(reject["reject_field"].split("; "), reject["reject_code"].split("; "), strict=True)
        assert tuple(problems) == case.problems, case.name
    assert_stored_as_told(GOOD)


def test_a_file_that_changes_meanwhile_is_told(tmp_path: Path, monkeypatch: Any) -> None:
    path = write(tmp_path / "rows.csv", HEADER, row(1), row(2))
    judge = chunks._judge

    def grow(*arguments: Any) -> None:
        with path.open("a") as file:
            file.write(f"{row(3)}\n")
        judge(*arguments)

    monkeypatch.setattr(chunks, "_judge", grow)
    told = load(path)
    assert told["exit_code"] == 1
    assert "changed while it was being loaded" in told["error"]
    assert Load.objects.get().finished_at is None


def test_what_only_the_database_refuses_is_rejected_too(tmp_path: Path, monkeypatch: Any) -> None:
    """Our clock is fast: the database knows that the time lies too far ahead."""
    now = timezone.now()
    monkeypatch.setattr(chunks.timezone, "now", lambda: now + timedelta(days=2))
    ahead = (now + timedelta(days=2)).strftime("%Y-%m-%dT%H:%M:%SZ")
    rows = [row(1), row(2).replace("2026-01-02T03:04:05Z", ahead), row(3)]
    for lines in (rows, rows[1:2]):
        told = load(write(tmp_path / "rows.csv", HEADER, *lines))
        assert counts(told) == (len(lines) - 1, 0, 0, 1)
        (reject,) = csv_rejects(told)
        assert (reject["id"], reject["reject_code"]) == (uuid_of(2), "in_the_future")


def test_meta_data_that_is_no_object_is_refused_beside_further_columns(tmp_path: Path) -> None:
    rows = [f"{row(number, meta_data=text)},more" for number, text in enumerate(("{", "[]", "{}"), 1)]
    told = load(write(tmp_path / "rows.csv", f"{HEADER},further", *rows))
    assert [reject["reject_code"] for reject in csv_rejects(told)] == ["not_json", "not_an_object"]
    assert stored()[0]["meta_data"] == {"further": "more"}


def test_a_named_pipe_is_read_like_standard_input(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(settings, "BASE_DIR", tmp_path)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    data = gzip.compress("\n".join([HEADER, row(1), row(2, amount="x")]).encode())
    writer = threading.Thread(target=pipe.write_bytes, args=[data])
    writer.start()
    told = load(pipe)
    writer.join()
    assert counts(told) == (1, 0, 0, 1)
    assert told["files"][0]["reject_file"] == str(tmp_path / "var/rejects/stdin.rejects.csv")


def test_a_second_time_is_told_in_words(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.csv", HEADER, row(1))
    load(path)
    out, err = io.StringIO(), io.StringIO()
    call_command("load_data", str(path), "--no-score", stdout=out, stderr=err)
    assert out.getvalue().endswith("Of them, 1 were done by an earlier run.\n")
    assert err.getvalue() == f"{path} was loaded before. --again reads it anew.\n"
