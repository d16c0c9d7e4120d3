"""A list as a Parquet file, made row group by row group. pyarrow, which writes it, is an extra."""

import importlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC
from decimal import Decimal
from types import ModuleType
from typing import Any

from rest_framework import serializers

from anomalies.api.problems import Error, Refused
from anomalies.api.rendering import dumps

MEDIA_TYPE = "application/vnd.apache.parquet"
# A row group is held until it is whole: large enough for whoever reads it, whatever meta_data holds.
GROUP_ROWS = 50_000
GROUP_BYTES = 16 << 20
MISSING = (
    "This server cannot write Parquet: it lacks pyarrow. Whoever runs it installs that with `make parquet`, or with "
    "pip from requirements-parquet.txt. CSV and NDJSON need nothing."
)
Rows = list[dict[str, Any]]


def library() -> ModuleType:
    """pyarrow with its Parquet part. Raises Refused where it is not installed."""
    try:
        importlib.import_module("pyarrow.parquet")
        return importlib.import_module("pyarrow")
    except ImportError:
        raise Refused("The file cannot be written.", [Error("as", "not_installed", MISSING)]) from None


class Writer:
    """Makes the file of a list's rows. `declared` are the fields of its serializer: they say what each column is."""

    def __init__(self, fields: Sequence[str], declared: dict[str, serializers.Field[Any, Any, Any, Any]]) -> None:
        self.arrow = library()
        self.declared = {name: declared.get(name) for name in fields}
        self.schema = self.arrow.schema([(name, self._type(one)) for name, one in self.declared.items()])

    def parts(self, pages: Iterable[Rows]) -> Iterator[bytes]:
        out = _Out()
        writer = self.arrow.parquet.ParquetWriter(self.arrow.PythonFile(out, mode="w"), self.schema, compression="zstd")
        batches: list[Any] = []
        for rows in pages:
            batches.append(self._batch(rows))
            if sum(len(one) for one in batches) >= GROUP_ROWS or sum(one.nbytes for one in batches) >= GROUP_BYTES:
                self._write(writer, batches)
                yield out.taken()
                batches.clear()
        if batches:
            self._write(writer, batches)
        writer.close()
        yield out.taken()

    def _write(self, writer: Any, batches: list[Any]) -> None:
        table = self.arrow.Table.from_batches(batches, self.schema)
        writer.write_table(table, row_group_size=max(len(table), 1))

    def _batch(self, rows: Rows) -> Any:
        columns = [
            self.arrow.array([_value(row[name], one) for row in rows], self.schema.field(name).type)
            for name, one in self.declared.items()
        ]
        return self.arrow.RecordBatch.from_arrays(columns, schema=self.schema)

    def _type(self, declared: object) -> Any:
        match declared:
            case serializers.DecimalField():
                return self.arrow.decimal128(declared.max_digits, declared.decimal_places)
            case serializers.DateTimeField():
                return self.arrow.timestamp("us", tz="UTC")
            case serializers.FloatField():
                return self.arrow.float64()
            case serializers.IntegerField():
                return self.arrow.int64()
            case _:
                return self.arrow.string()


def _value(value: Any, declared: object) -> Any:
    """A value of a row's JSON as its column takes it: objects as JSON text, so that no digit of them is lost."""
    if value is None:
        return None
    match declared:
        case serializers.DecimalField():
            return Decimal(value)
        case serializers.DateTimeField():
            return value.astimezone(UTC)
        case serializers.FloatField() | serializers.IntegerField():
            return value
    if isinstance(value, str):
        return value
    written = dumps(value).decode()
    return written[1:-1] if written.startswith('"') else written


class _Out:
    """What the writer has written, until somebody takes it."""

    closed = False

    def __init__(self) -> None:
        self.written: list[bytes] = []

    def write(self, part: Any) -> int:
        self.written.append(bytes(part))
        return len(part)

    def taken(self) -> bytes:
        part = b"".join(self.written)
        self.written.clear()
        return part

    def flush(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True
