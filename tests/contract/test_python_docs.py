"""The Python examples of the documents, run as they stand by an interpreter of their own, against the real server."""

import json
import os
import re
import subprocess
import sys
from contextlib import chdir
from datetime import UTC, datetime
from pathlib import Path
from select import select
from uuid import UUID, uuid4

from anomaly_client import Client

from anomalies.webhooks import messages
from tests.contract.conftest import Served
from tests.contract.payments import new
from transactions.loading.shape import identifier

ROOT = Path(__file__).resolve().parents[2]
README = "clients/python/README.md"


def examples(document: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (ROOT / document).read_text(), re.DOTALL)


def started(program: str, **variables: str) -> "subprocess.Popen[str]":
    """Python at work on the program, which finds the client as if it were installed."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "clients" / "python"), "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", program],
        env={**environment, **variables},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def said(program: str, given: str = "", **variables: str) -> list[str]:
    """The lines that it prints."""
    with started(program, **variables) as running:
        out, err = running.communicate(given, timeout=300)
    assert (running.returncode, err) == (0, "")
    return out.splitlines()


def of(served: Served) -> dict[str, str]:
    return {"SERVER": served.address, "KEY": served.key}


def test_the_client_s_readme_creates_reads_judges_and_stores_many(served: Served) -> None:
    first, many, _, _ = examples(README)
    lines = said(f"{first}\nprint(scored.user_id, scored.merchant_id)\n{many}", **of(served))
    user, merchant = next(line.split() for line in lines if line.endswith(" shop-7"))
    assert merchant == "shop-7"
    assert lines[-1].startswith("0 rejected [\"'-0.1' is below zero")
    with Client(served.address, served.key) as client:
        stored = list(client.transactions(user_id=user, from_date="2026-01-31", to_date="2026-02-01"))
    assert len(stored) >= 100


def test_the_client_s_readme_writes_a_table_and_stores_it_again(served: Served, tmp_path: Path) -> None:
    first, many, there_and_back, _ = examples(README)
    said(f"{first}\n{many}", **of(served))
    with chdir(tmp_path):
        told = said(first.partition("\nwith ")[0] + there_and_back, **of(served))
    lines = (tmp_path / "payments.csv").read_text().splitlines()
    assert lines[0] == "id,user_id,amount,currency,txn_date,status,meta_data"
    assert len(lines) - 1 == len(told) >= 100
    assert told[:2] == ["0 duplicate", "1 duplicate"]


def test_the_client_s_readme_listens(served: Served) -> None:
    first, _, _, listen = examples(README)
    names = first.partition("\nwith ")[0]
    with started(f"{names}\n{listen}", **of(served)) as running, Client(served.address, served.key) as client:
        assert running.stdout
        transaction = client.create(new())
        # It does not say when it begins to listen.
        for _ in range(100):
            client.give_verdict(transaction.id, "unsure")
            if select([running.stdout], [], [], 0.2)[0]:
                break
        kind, *_, user = running.stdout.readline().split()
        running.terminate()
        running.communicate()
    assert (kind, user) == ("verdict.created", str(transaction.user_id))


def test_the_api_s_document_creates_walks_and_stores_many(served: Served) -> None:
    (example,) = examples("docs/api.md")
    created, *listed, fine, refused = said(example, **of(served))
    with Client(served.address, served.key) as client:
        assert client.transaction(UUID(created.split()[0])).amount.as_tuple() == (0, (2, 4, 9, 9, 0), -2)
    assert "2026-01-31 13:00:00+00:00 249.90 EUR" in listed
    assert fine == "0 created []"
    assert refused.startswith("1 rejected [\"'-3.20' is below zero")


def test_a_webhook_is_let_through_if_its_signature_is_ours() -> None:
    (example,) = examples("docs/webhooks.md")
    secret = messages.new_secret()
    message = messages.message(uuid4(), "case.opened", datetime.now(UTC), '{"case_id":"1"}')
    headers = messages.headers(message, datetime.now(UTC), [secret])
    given = json.dumps([message.body, headers])
    use = (
        "\nimport json, sys\nbody, headers = json.load(sys.stdin)\nprint(take(body.encode(), headers)['type'])\n"
        "try:\n    take(body.replace('1', '2').encode(), headers)\nexcept Exception as fault:\n"
        "    print(type(fault).__name__)\n"
    )
    assert said(example + use, given, WEBHOOK_SECRET=secret) == ["case.opened", "WebhookVerificationError"]


def test_an_id_of_a_namespace_is_computed_as_the_document_says() -> None:
    (example,) = examples("docs/loading.md")
    assert said(example) == [str(identifier("acme", "596"))]


def test_every_python_example_is_run() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "clients").rglob("*.md")]
    shown = {str(page.relative_to(ROOT)): page.read_text().count("```python") for page in pages}
    assert {name: count for name, count in shown.items() if count} == {
        README: 4,
        "docs/api.md": 1,
        "docs/loading.md": 1,
        "docs/webhooks.md": 1,
    }
