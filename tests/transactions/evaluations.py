"""What the tests of `manage.py evaluate` share: traffic with frauds in it, and the command."""

import io
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tests.transactions import traffic
from transactions import intake, norms, rows

FIRST = (traffic.START + timedelta(days=30)).date()
LAST = (traffic.START + timedelta(days=39)).date()
PERIOD = (f"--from={FIRST}", f"--to={LAST}")


def stored_frauds() -> list[rows.Row]:
    """Traffic of 40 users over 40 days, in which eight users pay 40 times too much on a day of the last ten."""
    stored = [row for row in traffic.rows(4000) if row.amount]
    late = [row for row in stored if row.txn_date.date() >= FIRST]
    users = sorted({row.user_id for row in late})[:8]
    frauds = [next(row for row in late if row.user_id == user) for user in users]
    inflated = {row.id: _inflated(row) for row in frauds}
    intake.take([inflated.get(row.id, row) for row in stored], score=False)
    norms.build_due()
    return list(inflated.values())


def _inflated(row: rows.Row) -> rows.Row:
    return replace(row, amount=row.amount * 40 + 1000)


def written(path: Path, frauds: Sequence[rows.Row], header: str = "transaction_id,kind") -> Path:
    """Half of the frauds are of the kind a, half of b."""
    lines = [header, *(f"{row.id},{'ab'[place % 2]}" for place, row in enumerate(frauds))]
    path.write_text("\n".join(lines) + "\n")
    return path


def evaluated(*arguments: object) -> dict[str, Any]:
    out = io.StringIO()
    options = ["--resamples=20", *(str(argument) for argument in arguments), "--json"]
    call_command("evaluate", *options, stdout=out, stderr=io.StringIO())
    told: dict[str, Any] = json.loads(out.getvalue())
    return told


def refused(*arguments: object) -> tuple[str, int]:
    with pytest.raises(CommandError) as caught:
        evaluated(*arguments)
    return str(caught.value), caught.value.returncode
