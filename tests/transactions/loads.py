"""What the tests of `load_data` share: run it, read its reject files, read the table back."""

import csv
import gzip
import io
import json
from pathlib import Path
from typing import Any

from django.core.management import CommandError, call_command

from transactions.models import Transaction

HEADER = "id,user_id,amount,currency,txn_date,status,meta_data"
USER = "6f1c2a34-5b6d-4e7f-8a9b-0c1d2e3f4a5b"
SHOP = "ORDER,CUSTOMER,TOTAL,PAID_AT,SHOP"
SHOP_OPTIONS = (
    "--map=id=ORDER,user_id=CUSTOMER,amount=TOTAL,txn_date=PAID_AT",
    "--meta=merchant_id=SHOP",
    "--set=currency=EUR",
    "--set=status=completed",
    "--timezone=UTC",
    "--namespace=shop",
)


def load(*arguments: object, score: bool = False) -> dict[str, Any]:
    """Run `load_data --json` and return what it printed; a failure has its sentence under "error"."""
    out = io.StringIO()
    options = [str(argument) for argument in arguments] + ([] if score else ["--no-score"])
    failed = None
    try:
        call_command("load_data", *options, "--json", stdout=out, stderr=io.StringIO())
    except CommandError as error:
        failed = error
    told: dict[str, Any] = json.loads(out.getvalue())
    assert told["rows"] == told["accepted"] + told["duplicate"] + told["conflict"] + told["rejected"]
    assert told["error"] == (str(failed) if failed else None)
    return {**told, "exit_code": failed.returncode if failed else 0}


def counts(told: dict[str, Any]) -> tuple[int, int, int, int]:
    """(accepted, duplicate, conflict, rejected)"""
    return told["accepted"], told["duplicate"], told["conflict"], told["rejected"]


def row(number: int, *, amount: str = "12.34", meta_data: str = "") -> str:
    """A good row of our own shape."""
    quoted = meta_data.replace('"', '""')
    return f'{uuid_of(number)},{USER},{amount},EUR,2026-01-02T03:04:05Z,completed,"{quoted}"'


def uuid_of(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


def shop_row(number: int, *, amount: str = "12.34", paid_at: str = "2026-01-02 03:04:05") -> str:
    """A good row of a shop's own shape."""
    return f"{number},customer {number % 3},{amount},{paid_at},shop {number % 2}"


def write(path: Path, *lines: str, encoding: str = "utf-8", zipped: bool = False, end: str = "\n") -> Path:
    data = "".join(f"{line}{end}" for line in lines).encode(encoding)
    path.write_bytes(gzip.compress(data) if zipped else data)
    return path


def csv_rejects(told: dict[str, Any]) -> list[dict[str, str]]:
    """The rows of the only file's reject file."""
    with open(told["files"][0]["reject_file"], newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def stored() -> list[dict[str, Any]]:
    """All transactions, in the order of their ids."""
    fields = ("id", "user_id", "amount", "currency", "txn_date", "status", "meta_data")
    return list(Transaction.objects.order_by("id").values(*fields))
