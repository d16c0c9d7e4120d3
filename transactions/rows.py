"""The law for a row: what a transaction must look like, whichever door it comes through.

A value is a string (every cell of a CSV file, and what JSON quotes) or another JSON value as
`strict_json` reads it. Strings mean the same in every door; nothing is trimmed, rounded or guessed.

| field       | law                                                                                       |
|-------------|-------------------------------------------------------------------------------------------|
| `id`        | UUID, 32 hex digits with or without the usual hyphens, not nil; absent: a new UUIDv7      |
| `user_id`   | UUID, not nil                                                                             |
| `amount`    | 0 <= amount < 10^18 of at most 2 decimals. The value counts, not its notation: 1.500 is   |
|             | 1.50, -0 is 0, the JSON number 1e2 is 100; 1.999 is refused. A string has no exponent,    |
|             | because spreadsheets write 1.2E+11 for an amount whose digits they have already lost      |
| `currency`  | ISO 4217 alphabetic code, in capitals                                                     |
| `txn_date`  | RFC 3339 with an offset, 1970 <= t <= now + 24 h, no leap second, at most microseconds    |
|             | (further digits only if they are zeros)                                                   |
| `status`    | `[a-z][a-z0-9_]{0,31}`                                                                    |
| `meta_data` | object, or the JSON text of one; at most 16 KiB as compact UTF-8 with numbers written out |
|             | in full, 16 levels deep; `merchant_id` in it is text of at most 200 characters, or a      |
|             | whole number                                                                              |
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal
from json.encoder import encode_basestring
from typing import Any, NamedTuple
from uuid import UUID

from uuid_utils.compat import uuid7

from transactions.currencies import CURRENCIES
from transactions.strict_json import BadJson, loads, refuse_escapes

FIELDS = ("id", "user_id", "amount", "currency", "txn_date", "status", "meta_data")
META_DATA_BYTES = 16 * 1024
META_DATA_DEPTH = 16
MERCHANT_ID_LENGTH = 200
# Digits of a number written out in full: every finite double fits (5e-324), and nothing PostgreSQL refuses.
NUMBER_DIGITS = 330
AHEAD = timedelta(hours=24)

_KNOWN = frozenset(FIELDS)
_UNKNOWN_TOLD = 20
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_CENT = Decimal("0.01")
_TOO_MUCH = Decimal(10) ** 18
# 18 + 2 digits are exact here; a wider context of the calling thread could not make them less so.
_EXACT = Context(prec=40)
_UUID = re.compile(
    r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}|[0-9a-fA-F]{32}"
).fullmatch
_AMOUNT = re.compile(r"-?(?:0|[1-9][0-9]{0,300})(?:\.[0-9]{1,300})?").fullmatch
_AMOUNT_IN_CENTS = re.compile(r"(?:0|[1-9][0-9]{0,17})\.[0-9]{2}").fullmatch
_EXPONENT = re.compile(r"-?[0-9]+(?:\.[0-9]+)?[eE][+-]?[0-9]+").fullmatch
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:(?P<second>[0-9]{2})(?:\.[0-9]{1,6}(?P<finer>[0-9]*))?"
    r"(?P<offset>[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])?"
).fullmatch
STATUS = re.compile(r"[a-z][a-z0-9_]{0,31}").fullmatch


class Problem(NamedTuple):
    """One thing wrong with a row; `field` is empty where it is the whole row."""

    field: str
    code: str
    detail: str


class BadRow(Exception):
    """A row that breaks the law, with everything that is wrong with it."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(problems)
        self.problems = problems

    def __str__(self) -> str:
        return " ".join(f"{field or 'row'}: {detail}" for field, _, detail in self.problems)


@dataclass(frozen=True, slots=True)
class Row:
    """A transaction that obeys the law. `txn_date` is in UTC, `amount` has two decimals,
    `meta_data` is compact JSON text with sorted keys."""

    id: UUID
    user_id: UUID
    amount: Decimal
    currency: str
    txn_date: datetime
    status: str
    meta_data: str


class _Refused(Exception):
    """One value that breaks the law."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail


def check(raw: Mapping[str, object], *, now: datetime) -> Row:
    """The row that `raw` stands for; `now` is an aware instant.

    Raises BadRow with all problems at once, in the order of FIELDS, and nothing else. None counts as
    absent. An empty string does not: a door whose notation cannot say "absent" leaves the field out.
    """
    if not isinstance(raw, dict | Mapping):
        raise BadRow([Problem("", "not_an_object", "A row is an object of fields: send one.")])
    try:
        if raw.keys() <= _KNOWN:
            get = raw.get
            return Row(
                _id(get("id")),
                _uuid(get("user_id")),
                _amount(get("amount")),
                _currency(get("currency")),
                _txn_date(get("txn_date"), now),
                _status(get("status")),
                _meta_data(get("meta_data")),
            )
    except _Refused:
        pass
    raise BadRow(_problems(raw, now))


def _problems(raw: Mapping[str, object], now: datetime) -> list[Problem]:
    """Everything wrong with a row that is known to be bad: the readers again, one by one."""
    problems = []
    readers: dict[str, Callable[[object], object]] = {
        "id": _id,
        "user_id": _uuid,
        "amount": _amount,
        "currency": _currency,
        "txn_date": lambda value: _txn_date(value, now),
        "status": _status,
        "meta_data": _meta_data,
    }
    for field, read in readers.items():
        try:
            read(raw.get(field))
        except _Refused as refused:
            problems.append(Problem(field, refused.code, refused.detail))
    unknown = [name for name in raw if name not in _KNOWN]
    known = f"The fields are {', '.join(FIELDS)}; put everything else into meta_data."
    # A row of 10,000 columns is told in a screenful.
    return problems + [Problem(_name(name), "unknown_field", known) for name in unknown[:_UNKNOWN_TOLD]]


def _id(value: object) -> UUID:
    return uuid7() if value is None else _uuid(value)


def _uuid(value: object) -> UUID:
    if type(value) is str and _UUID(value):
        if number := int(value.replace("-", ""), 16):
            return UUID(int=number)
        raise _Refused("nil_uuid", "The nil UUID names nobody: send the real one.")
    _required(value)
    raise _Refused("not_a_uuid", f"{_shown(value)} is not a UUID: send 32 hex digits, with or without the hyphens.")


def _amount(value: object) -> Decimal:
    if type(value) is str and _AMOUNT_IN_CENTS(value):
        return Decimal(value)  # as most are written, at a third of the cost of what follows
    if type(value) is str and _AMOUNT(value):
        amount = Decimal(value)
    elif type(value) is Decimal and value.is_finite():
        amount = value
    elif type(value) is int:
        amount = Decimal(value)
    else:
        raise _not_an_amount(value)
    if not 0 <= amount < _TOO_MUCH:
        if amount < 0:
            raise _Refused("negative", f"{_shown(value)} is below zero: send what was paid; say refunds by the status.")
        raise _Refused("too_many_digits", "The amount has more than 18 digits before the point: send it in its unit.")
    cents = amount.quantize(_CENT, context=_EXACT)
    if cents != amount:
        raise _Refused(
            "too_many_decimals", f"{_shown(value)} has more than 2 decimals: nothing is rounded here, round it first."
        )
    return cents or abs(cents)  # no negative zero


def _not_an_amount(value: object) -> _Refused:
    _required(value)
    if type(value) is str and _EXPONENT(value):
        return _Refused(
            "exponent", f"{_shown(value)} has an exponent, so its digits may be lost already: write it in full."
        )
    return _Refused("not_a_number", f"{_shown(value)} is not an amount: send a plain decimal such as 1234.50.")


def _currency(value: object) -> str:
    if type(value) is str and value in CURRENCIES:
        return value
    _required(value)
    raise _Refused(
        "not_a_currency", f"{_shown(value)} is not an ISO 4217 code: send three capitals such as EUR, USD or JPY."
    )


def _txn_date(value: object, now: datetime) -> datetime:
    written = _TIME(value) if type(value) is str else None
    if written is None:
        _required(value)
        raise _Refused("not_a_time", f"{_shown(value)} is not a time: send RFC 3339, such as 2026-01-31T09:30:00Z.")
    _, finer, offset = written.groups()
    if finer and finer.strip("0"):
        raise _Refused("too_precise", f"{_shown(value)} has more than 6 digits of a second: round it first.")
    if offset is None:
        raise _Refused("no_offset", f"{_shown(value)} has no offset from UTC: append Z or one such as +01:00.")
    try:
        instant = datetime.fromisoformat(written.string.upper())
    except ValueError:
        raise _no_such_time(written) from None
    if not _EARLIEST <= instant <= now + AHEAD:
        if instant < _EARLIEST:
            raise _Refused("before_1970", f"{_shown(value)} lies before 1970: send the time of the payment.")
        raise _Refused("in_the_future", f"{_shown(value)} is more than 24 hours ahead: send times that have happened.")
    return instant if instant.tzinfo is UTC else instant.astimezone(UTC)


def _no_such_time(written: re.Match[str]) -> _Refused:
    text = _shown(written.string)
    if written["second"] == "60":
        return _Refused("leap_second", f"{text} is a leap second, which the database cannot keep: send second 59.")
    if written.string.startswith("0000"):
        return _Refused("before_1970", f"{text} lies before 1970: send the time of the payment.")
    return _Refused("not_a_time", f"{text} is on no calendar or clock: send a time that exists.")


def _status(value: object) -> str:
    if type(value) is str and STATUS(value):
        return value
    _required(value)
    raise _Refused(
        "not_a_status",
        f"{_shown(value)} is not a status: send 1 to 32 of a-z, 0-9 and _, a letter first, such as completed.",
    )


def _meta_data(value: object) -> str:
    if value is None:
        return "{}"
    if type(value) is str:
        try:
            value = loads(value)
        except BadJson as bad:
            raise _Refused(bad.code, bad.detail) from None
    if not isinstance(value, dict):
        raise _Refused("not_an_object", "meta_data is an object: send {} or name and value pairs.")
    try:
        text = _written(value, 1)
        size = len(text) if text.isascii() else len(text.encode())
        if "\\u" in text:
            refuse_escapes(text)
    except BadJson as bad:
        raise _Refused(bad.code, bad.detail) from None
    except TypeError:
        raise _Refused("not_json", "meta_data has a key that is not a string: send strings.") from None
    except UnicodeEncodeError:
        raise _Refused("lone_surrogate", "meta_data has half of a surrogate pair: send whole characters.") from None
    if size > META_DATA_BYTES:
        raise _Refused("too_large", f"meta_data has {size} bytes: keep it within {META_DATA_BYTES}.")
    if "merchant_id" in value:
        _merchant_id(value["merchant_id"])
    return text


def _merchant_id(value: object) -> None:
    """The merchant has a column of its own, as text: what two programs would write differently is refused."""
    if type(value) is int:
        value = str(value) if abs(value) < _TOO_MUCH else None
    elif value is None:
        return
    if not isinstance(value, str):
        raise _Refused("merchant_id_not_text", "meta_data.merchant_id is not text: send it as a string.")
    if len(value) > MERCHANT_ID_LENGTH:
        raise _Refused(
            "merchant_id_too_long", f"meta_data.merchant_id is too long: use at most {MERCHANT_ID_LENGTH} characters."
        )


def _written(value: Any, depth: int) -> str:
    """A JSON value as compact text, keys sorted; `depth` counts from 1 at meta_data itself."""
    kind = type(value)
    if kind is str:
        return encode_basestring(value)
    if kind is int or kind is Decimal:
        return _number(value)
    if value is None or kind is bool:
        return _NAMES[value]
    if depth > META_DATA_DEPTH:
        raise _Refused("too_deep", f"meta_data is nested too deeply: use at most {META_DATA_DEPTH} levels.")
    if kind is list:
        return "[" + ",".join([_written(one, depth + 1) for one in value]) + "]"
    if kind is dict:
        return "{" + ",".join([_pair(key, value[key], depth) for key in sorted(value)]) + "}"
    raise _Refused("not_json", f"meta_data has a {kind.__name__}, which is no exact JSON value: send text or a number.")


def _pair(key: str, value: Any, depth: int) -> str:
    # Most values are strings: a call less for each.
    text = encode_basestring(value) if type(value) is str else _written(value, depth + 1)
    return f"{encode_basestring(key)}:{text}"


_NAMES = {None: "null", True: "true", False: "false"}


def _number(value: int | Decimal) -> str:
    """A number digit for digit and without exponent, as PostgreSQL will show it."""
    if type(value) is int and -(10**18) < value < 10**18:
        return str(value)
    number = Decimal(value)
    if number.is_finite():
        _, digits, exponent = number.as_tuple()
        if isinstance(exponent, int) and max(len(digits), len(digits) + exponent, -exponent) < NUMBER_DIGITS:
            return f"{number or abs(number):f}"
    raise _Refused(
        "number_out_of_range", f"A number in meta_data has over {NUMBER_DIGITS} digits in full: send it as a string."
    )


def _required(value: object) -> None:
    if value is None:
        raise _Refused("required", "This field is missing: send it.")


def _shown(value: object) -> str:
    """A value for a sentence: short, and in ASCII so that every log and file can take it."""
    if isinstance(value, int) and abs(value) >= _TOO_MUCH:
        return "A number of over 18 digits"  # str() refuses one of over 4,300
    if isinstance(value, str | int | Decimal):
        text = ascii(value[:41]) if isinstance(value, str) else str(value)
        return text if len(text) <= 43 else f"{text[:40]}..."
    if isinstance(value, Mapping):
        return "An object"
    return f"A {type(value).__name__}"


def _name(name: object) -> str:
    return (
        ascii(str(name)[:60])[1:61] if not isinstance(name, str) or len(name) > 60 or not name.isprintable() else name
    )
