"""Schemathesis tries every operation with requests that keep to the schema, and with such that do not.

CONTRACT_CASES of the environment says how many at least; `make schemathesis` asks for 5,000.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.contract.conftest import Served
from tests.contract.proxies import spoiled

HERE = Path(__file__).resolve().parent
PROGRAM = str(Path(sys.executable).parent / "schemathesis")
CASES = int(os.environ.get("CONTRACT_CASES", "250"))
# Fewer for a quick look, without the phase that tries the edges of every value, which alone makes about a thousand.
QUICK = ("--phases=examples,fuzzing", "--max-examples=16")
ALL = ("--phases=examples,coverage,fuzzing,stateful",)
# It answers for as long as somebody listens; its own tests end it.
ENDLESS = ("--exclude-operation-id=stream_listen",)
# Beyond the edges' cases, so many for each operation make 5,000 altogether of 20 operations.
EXAMPLES_OF_1000 = 50


def tried(served: Served, address: str, *options: str) -> tuple[int, int, str]:
    """The exit code, the number of requests, and all that Schemathesis said."""
    command = [
        PROGRAM,
        "--config-file",
        str(HERE / "schemathesis.toml"),
        "run",
        f"{served.address}/api/schema/",
        "--url",
        address,
    ]
    command += [
        "--header",
        f"Authorization: Bearer {served.key}",
        "--seed=7",
        "--no-shrink",
        *ENDLESS,
        "--no-color",
        *options,
    ]
    hooks = {"SCHEMATHESIS_HOOKS": str(HERE / "hooks.py"), "CONTRACT_IDS": json.dumps(served.ids)}
    # It leaves a cache where it is started.
    with TemporaryDirectory() as folder:
        variables = {**os.environ, **hooks}
        ended = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)
    said = ended.stdout + ended.stderr
    counted = re.search(r"([\d,]+) generated", said)
    return ended.returncode, int(counted[1].replace(",", "")) if counted else 0, said


def test_no_request_finds_a_5xx_or_a_breach_of_the_schema(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    options = QUICK if CASES <= 1_000 else (*ALL, f"--max-examples={max(1, CASES * EXAMPLES_OF_1000 // 1_000)}")
    code, count, said = tried(served, served.address, *options)
    with capsys.disabled():
        print(f" {count:,} requests", end="")  # noqa: T201
    assert code == 0, said
    assert count >= CASES


def test_planted_faults_are_found(served: Served) -> None:
    def spoil(path: str, status: int, body: bytes) -> tuple[int, bytes]:
        if path.startswith("/api/v1/users/"):
            return 500, b"{}"
        return status, body.replace(b'"value":', b'"valeu":')

    wrong = ("--include-operation-id=verdicts_list", "--include-operation-id=users_list")
    with spoiled(served.address, spoil) as address:
        code, _, said = tried(served, address, *wrong, "--phases=fuzzing", "--max-examples=12")
    assert code == 1
    assert re.search(r"ST101 Server error: \d", said), said
    assert re.search(r"ST108 Response violates schema: \d", said), said
