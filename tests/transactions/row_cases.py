r"""How a case of the table of good and bad rows (`bad_rows`) is written, once for every notation.

A case is written once, as raw JSON, field by field, so that NaN, equal keys and broken escapes can be
said. `Case.json` is the row as a JSON text. `Case.cells` is the same row as the cells of a CSV file: a
JSON string becomes its text, any other JSON value the text it is written in, and an absent field an
empty cell. A case that one notation cannot say has None there.

A text that is not strict JSON is a problem of the whole row (field "") where the row is JSON, and of
`meta_data` where only that cell is: `problems` and `csv_problems` say so.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from uuid import NAMESPACE_URL, UUID, uuid5

from transactions.rows import FIELDS, BadRow, Problem, Row, check
from transactions.strict_json import BadJson, loads

USER = "6f1c2a34-5b6d-4e7f-8a9b-0c1d2e3f4a5b"
Problems = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Case:
    """One row; `problems` are (field, code), none for a good row, of which `stored` says what is kept."""

    name: str
    json: str
    cells: dict[str, str] | None
    problems: Problems
    csv_problems: Problems
    stored: dict[str, str]

    @property
    def is_good(self) -> bool:
        return not self.problems

    @property
    def id(self) -> UUID:
        """The id of a good row, its own and the same in each run."""
        return UUID(self.stored["id"])


def from_json(text: bytes | str, *, now: datetime) -> Row:
    """The row that a JSON text stands for; a text that is not strict JSON is a problem of the whole row."""
    try:
        raw = loads(text)
    except BadJson as bad:
        raise BadRow([Problem("", bad.code, bad.detail)]) from None
    return check(raw, now=now)


def id_of(name: str) -> str:
    return str(uuid5(NAMESPACE_URL, f"bad-rows/{name}"))


def fragments_of(name: str, changes: dict[str, str | None]) -> dict[str, str]:
    """The raw JSON of each field: a plain good row with `changes`; a None leaves the field out."""
    plain: dict[str, str | None] = {
        "id": f'"{id_of(name)}"',
        "user_id": f'"{USER}"',
        "amount": '"12.34"',
        "currency": '"EUR"',
        "txn_date": '"2026-01-02T03:04:05Z"',
        "status": '"completed"',
        "meta_data": "{}",
    }
    return {field: raw for field, raw in (plain | changes).items() if raw is not None}


def row_of(fragments: dict[str, str]) -> str:
    return "{" + ",".join(f"{json.dumps(field)}:{raw}" for field, raw in fragments.items()) + "}"


def _cells(fragments: dict[str, str]) -> dict[str, str]:
    cells = dict.fromkeys(FIELDS, "")
    for field, raw in fragments.items():
        cells[field] = json.loads(raw, strict=False) if raw.startswith('"') else "" if raw == "null" else raw
    return cells


def good(name: str, stored: dict[str, str] | None = None, *, csv: bool = True, **changes: str | None) -> Case:
    """A row that is stored, with what is stored of the fields that are not the plain row's."""
    fragments = fragments_of(name, changes)
    plain = {
        "id": id_of(name),
        "user_id": USER,
        "amount": "12.34",
        "currency": "EUR",
        "txn_date": "2026-01-02T03:04:05+00:00",
        "status": "completed",
        "meta_data": "{}",
    }
    return Case(name, row_of(fragments), _cells(fragments) if csv else None, (), (), plain | (stored or {}))


def bad(
    name: str,
    *problems: tuple[str, str],
    csv: bool = True,
    csv_problems: Problems | None = None,
    raw: str | None = None,
    **changes: str | None,
) -> Case:
    """A row that is refused. `raw` is the whole JSON text, for what no CSV can say."""
    if raw is not None:
        return Case(name, raw, None, problems, (), {})
    fragments = fragments_of(name, changes)
    told = csv_problems if csv_problems is not None else problems
    return Case(name, row_of(fragments), _cells(fragments) if csv else None, problems, told if csv else (), {})


def bad_value(field: str, code: str, values: dict[str, str]) -> list[Case]:
    """Several values of one field that are refused for the same reason in every notation."""
    return [bad(f"{field} {name}", (field, code), **{field: raw}) for name, raw in values.items()]


def bad_meta_text(name: str, code: str, raw: str) -> Case:
    """meta_data that no strict reader takes: the whole JSON row is refused, or the one CSV cell."""
    return bad(name, ("", code), csv_problems=(("meta_data", code),), meta_data=raw)


def nested(levels: int) -> str:
    return '{"a":' * (levels - 1) + "{}" + "}" * (levels - 1)
