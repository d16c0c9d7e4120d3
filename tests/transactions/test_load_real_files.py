"""Files that nobody here wrote, loaded as they are. ANOMALY_DATA is the folder that holds them."""

import gzip
import os
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice
from pathlib import Path

import pytest

from tests.transactions.loads import counts, load
from transactions.loading.shape import identifier
from transactions.models import Transaction

ROWS = 20_000
HANDBOOK = (
    "--map=id=TRANSACTION_ID,user_id=CUSTOMER_ID,amount=TX_AMOUNT,txn_date=TX_DATETIME",
    "--meta=merchant_id=TERMINAL_ID",
    "--set=currency=EUR",
    "--set=status=completed",
    "--timezone=UTC",
    "--namespace=handbook",
)
SPARKOV = (
    "--map=id=trans_num,user_id=card,amount=amt,txn_date=occurred_at",
    "--meta=merchant_id=merchant,all",
    "--set=currency=USD",
    "--set=status=completed",
    "--namespace=sparkov",
)

pytestmark = pytest.mark.django_db


def beginning(name: str, folder: Path) -> Path:
    """A copy of the first rows of a file of ANOMALY_DATA."""
    if "ANOMALY_DATA" not in os.environ:
        pytest.skip("ANOMALY_DATA does not name the folder of the real files.")
    path = folder / Path(name).name
    with gzip.open(Path(os.environ["ANOMALY_DATA"]) / name) as file, gzip.open(path, "w") as copy:
        copy.writelines(islice(file, ROWS + 1))
    return path


def test_the_handbooks_transactions_are_taken_as_they_are(tmp_path: Path) -> None:
    told = load(beginning("handbook/transactions-2018-04.csv.gz", tmp_path), *HANDBOOK)
    assert counts(told) == (ROWS, 0, 0, 0)
    first = Transaction.objects.get(id=identifier("handbook", "0"))
    assert str(first.user_id) == identifier("handbook", "596")
    assert (first.amount, first.currency, first.status, first.merchant_id) == (
        Decimal("57.16"),
        "EUR",
        "completed",
        "3156",
    )
    assert first.txn_date == datetime(2018, 4, 1, 0, 0, 31, tzinfo=UTC)
    assert first.meta_data == {"original_id": "0", "original_user_id": "596", "merchant_id": "3156"}


def test_sparkovs_transactions_are_taken_as_they_are(tmp_path: Path) -> None:
    told = load(beginning("sparkov/transactions.csv.gz", tmp_path), *SPARKOV)
    assert counts(told) == (ROWS, 0, 0, 0)
    found = Transaction.objects.get(id="bad2b2c0-3131-3919-60e8-f0019d113817")
    assert (found.amount, found.currency, found.merchant_id) == (Decimal("63.03"), "USD", "Olson, Becker and Koch")
    assert found.meta_data["category"] == "gas_transport"
    assert {"merch_lat", "merch_long", "original_user_id"} < found.meta_data.keys()
