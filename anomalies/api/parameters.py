"""Query parameters, declared one by one and read strictly: a form field for each kind of them.

What is not declared, is given twice or cannot be read is refused: a misspelt filter that is silently ignored
answers a question nobody asked.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any, ClassVar
from urllib.parse import parse_qsl
from uuid import UUID

from django import forms
from django.core.exceptions import ValidationError
from drf_spectacular.plumbing import build_parameter_type
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from anomalies.api.problems import Error, Refused

INSTANT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,6})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
# More fields than any endpoint declares, few enough to be read in no time.
MOST_PARAMETERS = 50
LONGEST_TEXT = 255
LAST_MICROSECOND = timedelta(days=1) - timedelta(microseconds=1)


class Unreadable(ValidationError):
    """A value that is not of its parameter's kind; the message says what would be."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code="invalid")


def instant(text: str) -> datetime:
    """A time with its offset, in UTC. Raises Unreadable."""
    try:
        if INSTANT.fullmatch(text):
            return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise Unreadable("must be a time with offset such as 2026-01-31T12:00:00Z")


class StrictField(forms.Field):
    """Reads a parameter's text, and says in the schema what it may be. Subclasses read in `to_python`.

    Not given (None) stands for `initial`. An empty text was given, and is read like any other, not as nothing.
    """

    schema: dict[str, Any]

    def clean(self, value: Any) -> Any:
        if value is None:
            return None if self.initial is None else self.to_python(self.initial)
        return self.to_python(value)

    def described(self) -> dict[str, Any]:
        default = {} if self.initial is None else {"default": self.initial}
        return {**self.schema, **default, "description": str(self.help_text)}


class PatternField(StrictField):
    """A text of one shape."""

    pattern: ClassVar[re.Pattern[str]]
    sentence: ClassVar[str]

    def to_python(self, value: Any) -> Any:
        if not self.pattern.fullmatch(value):
            raise Unreadable(self.sentence)
        return value


class UUIDField(PatternField):
    pattern = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-9a-fA-F]{32}")
    sentence = "must be a UUID such as 018f4e9a-3b7c-7d21-9c55-0a1b2c3d4e5f"
    schema = {"type": "string", "format": "uuid"}

    def to_python(self, value: Any) -> UUID:
        return UUID(super().to_python(value))


class AmountField(PatternField):
    pattern = re.compile(r"\d{1,20}(\.\d{1,10})?", re.ASCII)
    sentence = "must be a decimal number such as 12.50"
    schema = {"type": "string", "pattern": r"^\d{1,20}(\.\d{1,10})?$"}

    def to_python(self, value: Any) -> Decimal:
        return Decimal(super().to_python(value))


class ScoreField(PatternField):
    # As programs write floats: with all their digits, and tiny ones with an exponent.
    pattern = re.compile(r"\d{1,20}(\.\d{1,330})?([eE]-\d{1,3})?", re.ASCII)
    sentence = "must be a number from 0 to 100"
    schema = {"type": "number", "minimum": 0, "maximum": 100}

    def to_python(self, value: Any) -> float:
        score = float(super().to_python(value))
        if score > 100:
            raise Unreadable(self.sentence)
        return score


class CurrencyField(PatternField):
    pattern = re.compile(r"[A-Z]{3}", re.ASCII)
    sentence = "must be an ISO 4217 code such as EUR"
    schema = {"type": "string", "pattern": "^[A-Z]{3}$"}


class StatusField(PatternField):
    pattern = re.compile(r"[a-z][a-z0-9_]{0,31}", re.ASCII)
    sentence = "must be a status such as completed: lower-case letters, digits and _, at most 32"
    schema = {"type": "string", "pattern": "^[a-z][a-z0-9_]{0,31}$"}


class TextField(PatternField):
    pattern = re.compile(rf"[^\0]{{1,{LONGEST_TEXT}}}")
    sentence = f"must be a text of 1 to {LONGEST_TEXT} characters"
    schema = {"type": "string", "minLength": 1, "maxLength": LONGEST_TEXT, "pattern": r"^[^\u0000]*$"}


class EarliestField(StrictField):
    """A time, or a day for its first microsecond in UTC."""

    within_day = timedelta(0)
    schema = {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "string", "format": "date"}]}

    def to_python(self, value: Any) -> datetime:
        try:
            if DAY.fullmatch(value):
                return datetime.combine(datetime.fromisoformat(value), time(), tzinfo=UTC) + self.within_day
            return instant(value)
        except (ValueError, Unreadable):
            raise Unreadable("must be a day (2026-01-31) or a time (2026-01-31T12:00:00Z; write a + as %2B)") from None


class LatestField(EarliestField):
    """A time, or a day for its last microsecond in UTC."""

    within_day = LAST_MICROSECOND


class OneOfField(StrictField):
    def __init__(self, *, options: Sequence[str], **more: Any) -> None:
        super().__init__(**more)
        self.options = tuple(options)
        self.schema = {"type": "string", "enum": list(options)}

    def to_python(self, value: Any) -> Any:
        if value not in self.options:
            raise Unreadable(f"must be one of {', '.join(self.options)}")
        return value


class NamesField(StrictField):
    """Some of the names, separated by commas, none twice."""

    def __init__(self, *, options: Sequence[str], **more: Any) -> None:
        super().__init__(**more)
        self.options = tuple(options)
        self.schema = {"type": "string", "examples": [",".join(self.options[:2])]}

    def to_python(self, value: Any) -> tuple[str, ...]:
        names = tuple(value.split(","))
        if not set(names) <= set(self.options) or len(set(names)) < len(names):
            raise Unreadable(f"must be some of {', '.join(self.options)}, separated by commas")
        return names


class WholeField(StrictField):
    def __init__(self, *, low: int, high: int, **more: Any) -> None:
        super().__init__(**more)
        self.low, self.high = low, high
        self.schema = {"type": "integer", "minimum": low, "maximum": high}

    def to_python(self, value: Any) -> int:
        text = str(value)
        # The length first: int() of a million digits takes seconds.
        readable = len(text) <= len(str(self.high)) and text.isascii() and text.isdigit()
        if not readable or not self.low <= int(text) <= self.high:
            raise Unreadable(f"must be a whole number from {self.low} to {self.high}")
        return int(text)


def place_of(request: Request) -> str:
    """The full address of a list, as who asked wrote it, without its query.

    `build_absolute_uri` would take it apart and put it together again.
    """
    return f"{request.scheme}://{request.get_host()}{request.path}"


def given(request: Request) -> dict[str, str]:
    """The query string as name and value. Refuses what is not UTF-8, not ASCII-escaped, or named twice."""
    text = request.META.get("QUERY_STRING", "")
    if not text:
        return {}
    try:
        text.encode("ascii")
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MOST_PARAMETERS)
    except ValueError:  # UnicodeError is one.
        raise Refused("The query string cannot be read: it must be percent-encoded UTF-8.") from None
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        twice = sorted({name for name in names if names.count(name) > 1})
        raise Refused(
            "A parameter is given twice.", [Error(name, "repeated", f"{name} is given twice.") for name in twice]
        )
    return values


class Parameters:
    """All that one query string may name."""

    def __init__(self, fields: Mapping[str, forms.Field]) -> None:
        self.fields = fields
        self.not_given = {name: field.clean(None) for name, field in fields.items()}

    def read(self, texts: Mapping[str, str]) -> dict[str, Any]:
        """The value of every parameter, given or not. Raises Refused with every fault."""
        errors, found = [], self.not_given.copy()
        for name, text in texts.items():
            if name not in self.fields:
                errors.append(Error(name, "unknown_parameter", f"There is no parameter {name!r} here."))
                continue
            try:
                found[name] = self.fields[name].clean(text)
            except ValidationError as fault:
                errors.append(Error(name, "invalid", f"{name} {fault.messages[0]}."))
        if errors:
            raise Refused("A query parameter is wrong.", errors)
        return found


def documented(name: str, field: StrictField) -> dict[str, Any]:
    """The parameter in OpenAPI's words."""
    schema = field.described()
    described: dict[str, Any] = build_parameter_type(
        name=name, schema=schema, location=OpenApiParameter.QUERY, description=schema.pop("description")
    )
    return described
