"""From a record to the raw row that `rows.check` judges.

An empty CSV cell is an absent value, since CSV cannot say it otherwise. Identifiers that are no UUIDs become
UUIDv5, and a row without an id gets one of its line and content: loading it again gives the same id.
"""

import json
import re
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import uuid_utils

from transactions import strict_json
from transactions.loading import times
from transactions.loading.failures import LoadFailed, usage
from transactions.loading.options import META, Shape
from transactions.loading.records import REJECT_COLUMNS, REJECT_LINE, Record
from transactions.rows import FIELDS, BadRow, Problem

REQUIRED = ("user_id", "amount", "currency", "txn_date", "status")
OPTIONAL = ("id", "meta_data")
# The key under which `meta_data` keeps an identifier that was no UUID.
ORIGINAL = {"id": "original_id", "user_id": "original_user_id"}
# Names the ids of rows that bring none, where no --namespace is given.
ROWS_NAMESPACE = "load_data"
# Users come back, so their UUIDs are kept: up to so many.
REMEMBERED = 500_000
# What `rows.check` takes as a UUID.
_UUID = re.compile(r"[0-9a-fA-F]{8}(-?)[0-9a-fA-F]{4}\1[0-9a-fA-F]{4}\1[0-9a-fA-F]{4}\1[0-9a-fA-F]{12}").fullmatch

Raw = dict[str, Any]


def identifier(namespace: str, text: str) -> str:
    """The UUIDv5 that stands for a foreign identifier: uuid5(uuid5(NAMESPACE_URL, namespace), text)."""
    return str(uuid_utils.uuid5(_namespace(namespace), text))


def _namespace(name: str) -> uuid_utils.UUID:
    return uuid_utils.UUID(str(uuid.uuid5(uuid.NAMESPACE_URL, name)))


class Binding:
    """A shape bound to the columns of one file. Raises LoadFailed (usage) where the two do not fit."""

    def __init__(self, shape: Shape, columns: Sequence[str], *, name: str, is_csv: bool) -> None:
        self.shape, self.name, self.is_csv = shape, name, is_csv
        self.columns = list(columns)
        self.there = [column for column in columns if column not in REJECT_COLUMNS]
        self.fixed = {key: value for key, value in shape.constants.items() if not key.startswith(META)}
        self.fixed_meta = {key.removeprefix(META): text for key, text in shape.constants.items() if META in key}
        self.fields = self._fields()
        self.meta = self._meta()
        self._check_fields()

    def _fields(self) -> dict[str, str]:
        """Field to column: as mapped, or else the column of the field's own name."""
        mapped = self.shape.columns
        # Without one readable row there is nothing to compare with, and the rows' own faults tell enough.
        known = self.there or [*mapped.values(), *FIELDS]
        for field, column in mapped.items():
            if column and column not in known:
                raise self._no_column(column, f"--map {field}={column}")
        # An NDJSON file's first rows need not show all its keys.
        unseen = [] if self.is_csv else [field for field in OPTIONAL if field not in self.fixed]
        own = {field: field for field in FIELDS if field in [*known, *unseen] and field not in mapped}
        return own | {field: column for field, column in mapped.items() if column}

    def _meta(self) -> list[tuple[str, str]]:
        """Key and column of what goes into meta_data, further columns included."""
        pairs = list(self.shape.meta)
        for key, column in pairs:
            if self.there and column not in self.there:
                raise self._no_column(column, f"--meta {key}={column}" if key != column else f"--meta {key}")
        if self.shape.rest:
            taken = {*self.fields.values(), *(column for _, column in pairs)}
            pairs += [(column, column) for column in self.there if column not in taken]
        originals = ORIGINAL.values() if self.shape.namespace else ()
        keys = [*(key for key, _ in pairs), *self.fixed_meta, *originals]
        for key in keys:
            if keys.count(key) > 1:
                raise usage(f"{self.name}: meta_data would have {key!r} twice: rename one with --meta OTHER=COLUMN.")
        return pairs

    def _check_fields(self) -> None:
        for field in self.fixed:
            if field in self.fields and self.there:
                raise usage(
                    f"{self.name} has a column {field!r}, which --set {field}=… would hide: "
                    f"drop --set, or leave the column out with --map {field}="
                )
        for field in REQUIRED:
            if field not in self.fields and field not in self.fixed:
                raise usage(
                    f"Nothing says what {field} is in {self.name}: use --map {field}=COLUMN or --set {field}=VALUE. "
                    f"Its columns are: {', '.join(self.there)}."
                )

    def _no_column(self, column: str, option: str) -> LoadFailed:
        return usage(f"{self.name} has no column {column!r} ({option}). Its columns are: {', '.join(self.there)}.")


class Shaper:
    """Makes raw rows of the records of one file. `of` raises BadRow where a record has no shape at all."""

    def __init__(self, binding: Binding) -> None:
        shape, is_csv = binding.shape, binding.is_csv
        at = {column: number for number, column in enumerate(binding.columns)}
        self.of: Callable[[Record], Raw] = self._of_cells if is_csv else self._of_object
        self.content_of: Callable[[Record], str] = self._cells_text if is_csv else self._object_text
        if is_csv:
            self.fields: list[tuple[str, Any]] = [(field, at[column]) for field, column in binding.fields.items()]
            self.meta: list[tuple[str, Any]] = [(key, at[column]) for key, column in binding.meta]
        else:
            self.fields, self.meta = list(binding.fields.items()), list(shape.meta)
        self.there = [at[column] for column in binding.there]
        self.line_at = at.get(REJECT_LINE)
        self.taken = {*REJECT_COLUMNS, *binding.fields.values(), *(column for _, column in shape.meta)}
        self.rest = shape.rest
        originals = ORIGINAL.values() if shape.namespace else ()
        self.reserved = {*binding.fixed_meta, *originals, *(key for key, _ in shape.meta)}
        self.fixed, self.fixed_meta = binding.fixed, binding.fixed_meta
        zone = times.zone(shape.timezone)
        self.with_offset = times.with_offset(zone) if zone else None
        self.identified = ("id", "user_id") if shape.namespace else ()
        self.namespace = _namespace(shape.namespace or ROWS_NAMESPACE)
        self.users: dict[str, str] = {}

    def _of_cells(self, record: Record) -> Raw:
        cells = record.content
        values = {field: cells[at] for field, at in self.fields if cells[at]}
        return self._finished(record, values, {key: cells[at] for key, at in self.meta if cells[at]})

    def _of_object(self, record: Record) -> Raw:
        content = record.content
        values = {field: content[column] for field, column in self.fields if content.get(column) is not None}
        meta = {key: content[column] for key, column in self.meta if column in content}
        if self.rest:
            further = {key: value for key, value in content.items() if key not in self.taken}
            if not self.reserved.isdisjoint(further):
                raise _twice(next(iter(self.reserved & further.keys())))
            meta |= further
        return self._finished(record, values, meta)

    def _finished(self, record: Record, values: Raw, meta: Raw) -> Raw:
        values.update(self.fixed)
        meta.update(self.fixed_meta)
        for field in self.identified:
            self._identify(field, values, meta)
        if "id" not in values:
            values["id"] = str(uuid_utils.uuid5(self.namespace, self.content_of(record)))
        if self.with_offset and isinstance(text := values.get("txn_date"), str):
            try:
                values["txn_date"] = self.with_offset(text)
            except times.NoSuchTime:
                detail = f"The clocks were set forward over {ascii(text)[:40]}: is --timezone the right one?"
                raise BadRow([Problem("txn_date", "no_such_local_time", detail)]) from None
        if meta:
            values["meta_data"] = _merged(values["meta_data"], meta) if "meta_data" in values else meta
        return values

    def _identify(self, field: str, values: Raw, meta: Raw) -> None:
        """Put a UUIDv5 in the place of an identifier that is no UUID, and keep the original."""
        value = values.get(field)
        text = str(value) if type(value) is int else value
        if type(text) is not str or _UUID(text):
            return
        meta[ORIGINAL[field]] = text
        if (found := self.users.get(text)) is None:
            found = str(uuid_utils.uuid5(self.namespace, text))
            if field == "user_id":
                self.users[text] = found
                if len(self.users) > REMEMBERED:
                    self.users.clear()
        values[field] = found

    def _cells_text(self, record: Record) -> str:
        cells = record.content
        line = (self.line_at is not None and cells[self.line_at]) or record.line
        return "\x1f".join([str(line), *[cells[at] for at in self.there]])

    def _object_text(self, record: Record) -> str:
        content = {key: value for key, value in record.content.items() if key not in REJECT_COLUMNS}
        line = record.content.get(REJECT_LINE, record.line)
        return f"{line}\x1f{json.dumps(content, sort_keys=True, default=str)}"


def _merged(given: object, meta: Raw) -> object:
    """The file's own meta_data with the further columns. What is no object is left to the law for a row."""
    if isinstance(given, str):
        try:
            given = strict_json.loads(given)
        except strict_json.BadJson as bad:
            raise BadRow([Problem("meta_data", bad.code, bad.detail)]) from None
    if not isinstance(given, dict):
        return given
    for key in given.keys() & meta.keys():
        if given[key] != meta[key]:
            raise _twice(key)
    return {**given, **meta}


def _twice(key: str) -> BadRow:
    detail = f"Two sources say what {ascii(key)[:40]} in meta_data is: rename one with --meta OTHER=COLUMN."
    return BadRow([Problem("meta_data", "duplicate_key", detail)])
