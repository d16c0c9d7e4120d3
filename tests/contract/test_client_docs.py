"""The Python examples of the client's README and of docs/api.md, run as they stand against the real server."""

import re
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from anomaly_client import Client

from tests.contract.conftest import Served
from tests.contract.test_client import new

ROOT = Path(__file__).resolve().parents[2]
SERVER = "https://anomaly.example.com"


class Enough(Exception):
    """The example would listen for ever."""


def examples(document: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (ROOT / document).read_text(), re.DOTALL)


def run(example: str, served: Served, **names: Any) -> dict[str, Any]:
    """Run it with our server's address and key; the names that it leaves."""
    assert SERVER in example
    names["key"] = served.key
    exec(compile(example.replace(SERVER, served.address), "example", "exec"), names)  # noqa: S102
    return names


def test_the_readme_creates_reads_judges_and_stores_many(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    first, many, _ = examples("clients/python/README.md")
    names = run(first, served)
    assert names["scored"].merchant_id == "shop-7"
    capsys.readouterr()
    run(many, served, **names)
    (refused,) = capsys.readouterr().out.splitlines()
    assert refused.startswith("0 rejected [\"'-0.1' is below zero")
    with Client(served.address, served.key) as client:
        stored = list(
            client.transactions(user_id=names["scored"].user_id, from_date="2026-01-31", to_date="2026-02-01")
        )
    assert len(stored) >= 100


def test_the_readme_listens_and_goes_on_where_it_was(served: Served) -> None:
    listen = examples("clients/python/README.md")[-1]
    heard: list[Any] = []

    def note(*told: Any) -> None:
        heard.append(told)
        if len(heard) == 2:
            raise Enough

    user = uuid4()
    with Client(served.address, served.key) as client, client.stream() as stream:
        transaction = client.create(new(user_id=user))
        for value in ("fraud", "unsure"):
            client.give_verdict(transaction.id, value)
        seen = stream.last_event_id
    with pytest.raises(Enough):
        run(listen, served, Client=Client, seen=seen, print=note)
    assert [(kind, told) for kind, _, told in heard] == [("verdict.created", str(user))] * 2


def test_the_api_s_document_creates_walks_and_stores_many(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = examples("docs/api.md")
    created = run(example, served)["created"]
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith(str(created.id))
    assert "2026-01-31 13:00:00+00:00 249.90 EUR" in said[1:-2]
    assert said[-2] == "0 created []"
    assert said[-1].startswith("1 rejected [\"'-3.20' is below zero")
