"""Every curl example of the documents, run as it stands by a shell and curl against the real server."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest

from tests.contract.conftest import Served

ROOT = Path(__file__).resolve().parents[2]
# What the README names, because it is where `make run` serves.
NAMED = "127.0.0.1:8000"
TOOK_AS_LONG_AS_ALLOWED = 28


class Example(NamedTuple):
    document: str
    number: int
    # What is written above it; where nothing is, any success will do.
    status: int | None
    text: str


def documents() -> dict[str, str]:
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "clients").rglob("*.md")]
    return {str(page.relative_to(ROOT)): page.read_text() for page in sorted(pages)}


def examples() -> list[Example]:
    found = []
    for name, text in documents().items():
        blocks = "#\n".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL))
        commands = re.findall(r"(?:^# (\d+)\n)?^(curl .*?)(?=^#|\Z)", blocks, re.MULTILINE | re.DOTALL)
        for number, (status, command) in enumerate(commands, 1):
            found.append(Example(name, number, int(status) if status else None, command))
    return found


@pytest.fixture(scope="session")
def curl_home(served: Served, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Has curl tell the status, and find our server where the README says that one is."""
    if shutil.which("curl") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("No curl in CI: install Debian's package curl.", pytrace=False)
        pytest.skip("No curl on this machine: install Debian's package curl to run the examples in the documents.")
    home = tmp_path_factory.mktemp("curl")
    here = urlsplit(served.address).netloc
    (home / ".curlrc").write_text(
        f'silent\nshow-error\nwrite-out = "\\n%{{http_code}}"\nconnect-to = "{NAMED}:{here}"\n'
    )
    return home


@pytest.mark.parametrize("shown", examples(), ids=lambda one: f"{one.document}-{one.number}")
def test_an_example_is_answered_as_the_document_says(shown: Example, served: Served, curl_home: Path) -> None:
    placeholders = {
        "KEY": served.key,
        "SERVER": served.address,
        "USER_ID": served.ids["user"],
        "TRANSACTION": served.ids["transaction"],
    }
    done = subprocess.run(
        ["/bin/sh", "-euc", shown.text],
        env={"PATH": os.environ["PATH"], "CURL_HOME": str(curl_home), **placeholders},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    may_listen_on = " -m " in shown.text
    assert done.returncode in ({0, TOOK_AS_LONG_AS_ALLOWED} if may_listen_on else {0}), done.stderr
    body, _, status = done.stdout.rpartition("\n")
    assert int(status) in ({shown.status} if shown.status else {200, 201}), body
    if int(status) == 400:
        (told,) = re.findall(r"```json\n(.*?)```", documents()[shown.document], re.DOTALL)
        assert json.loads(body) == json.loads(told)


def test_every_curl_in_the_documents_is_run() -> None:
    written = sum(len(re.findall(r"^ *(?:\$ )?curl ", text, re.MULTILINE)) for text in documents().values())
    assert written == len(examples()) >= 15
    assert {one.document for one in examples()} >= {"README.md", "docs/api.md", "docs/webhooks.md"}
