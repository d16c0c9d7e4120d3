"""What the options say about a file's shape, whatever the file."""

import csv
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from transactions.loading import times
from transactions.loading.failures import usage
from transactions.rows import FIELDS

META = "meta_data."
ALL, NONE = "all", "none"


@dataclass(frozen=True, slots=True)
class Shape:
    """Which column is which field, what is constant, what goes into `meta_data`.

    `columns` is field to column ("" leaves the field out), `constants` field or `meta_data.KEY` to value, `meta`
    are pairs (key, column); `rest` says that all further columns go into `meta_data` under their own names.
    """

    columns: Mapping[str, str]
    constants: Mapping[str, str]
    meta: tuple[tuple[str, str], ...] = ()
    rest: bool = True
    timezone: str = ""
    namespace: str = ""

    def meaning(self) -> str:
        """A text that differs wherever the same file would give other rows."""
        parts = (sorted(self.columns.items()), sorted(self.constants.items()), self.meta, self.rest)
        return json.dumps([*parts, self.timezone, self.namespace])


def parse(
    *,
    columns: Iterable[str] = (),
    constants: Iterable[str] = (),
    meta: Iterable[str] = (),
    timezone: str = "",
    namespace: str = "",
) -> Shape:
    """The shape that --map, --set, --meta, --timezone and --namespace describe. Raises LoadFailed (usage)."""
    mapped, fixed = _pairs("--map", columns), _pairs("--set", constants)
    for field in mapped:
        if field not in FIELDS:
            raise _no_field("--map", field)
    for field in fixed:
        if field not in FIELDS and not field.startswith(META):
            raise _no_field("--set", field)
        if mapped.get(field):
            raise usage(f"--map and --set both say what {field} is: drop one of them.")
    pairs, rest = _meta(meta)
    times.zone(timezone)
    return Shape(mapped, fixed, pairs, rest, timezone, namespace)


def _meta(given: Iterable[str]) -> tuple[tuple[tuple[str, str], ...], bool]:
    """The pairs of key and column, and whether all further columns come too."""
    items = _items(given)
    if NONE in items and len(items) > 1:
        raise usage("--meta none stands alone: drop it, or drop what stands beside it.")
    pairs = [item.partition("=") for item in items if item not in (ALL, NONE)]
    return tuple((key, column if equals else key) for key, equals, column in pairs), not items or ALL in items


def _items(options: Iterable[str]) -> list[str]:
    """Comma-separated options in one list; an item with a comma in it is quoted as in CSV."""
    return [item.strip() for row in csv.reader(options) for item in row if item.strip()]


def _pairs(option: str, given: Iterable[str]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for item in _items(given):
        name, equals, value = item.partition("=")
        if not equals:
            raise usage(f"{option} {item}: write {option} FIELD={item}.")
        if name in pairs:
            raise usage(f"{option} names {name} twice: drop one of them.")
        pairs[name] = value
    return pairs


def _no_field(option: str, field: str) -> Exception:
    further = f", and {META}KEY" if option == "--set" else ""
    return usage(f"{option} {field}=…: there is no field {field!r}. The fields are {', '.join(FIELDS)}{further}.")
