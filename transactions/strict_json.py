"""JSON as PostgreSQL and money need it: no float, no ambiguity, no surprise further down.

The standard library's parser is lenient where a row must not be: it takes NaN, lets the last of two
equal keys win, and hands on characters that PostgreSQL cannot store.
"""

import re
from collections import Counter
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from json import JSONDecodeError, JSONDecoder
from typing import Any, Never

# Every escape of a string, in turn, so that the second half of `\\u0000` is not taken for one.
_ESCAPE = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|(?P<nul>u0000)|(?P<lone>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)


class BadJson(ValueError):
    """A text that is not JSON as we take it. `position` counts characters (bytes for `not_utf8`) from 0."""

    def __init__(self, code: str, detail: str, position: int | None = None) -> None:
        super().__init__(code, detail, position)
        self.code = code
        self.detail = detail
        self.position = position

    def __str__(self) -> str:
        return self.detail


def loads(text: bytes | str) -> object:
    """The value of a JSON text; numbers that are not whole come as Decimal, digit for digit.

    Raises BadJson for whatever json.loads refuses, and also for NaN and Infinity, a key that occurs
    twice, NUL, a lone surrogate, a byte-order mark, bytes that are not UTF-8, and numbers or nesting
    beyond what Python reads. It raises nothing else.
    """
    decoded = _decoded(text)
    value = _told(_DECODER.decode, decoded)
    if "\\u" in decoded:
        refuse_escapes(decoded)
    return value


def _told(decode: Callable[..., Any], *given: object) -> Any:
    """What `decode` returns, with BadJson for whatever it raises."""
    try:
        return decode(*given)
    except JSONDecodeError as error:
        raise BadJson("not_json", f"This is not JSON: {error.msg} at character {error.pos}.", error.pos) from None
    except RecursionError:
        raise BadJson("too_deep", "The JSON is nested too deeply: use at most 16 levels.") from None
    except BadJson:
        raise
    except (ValueError, InvalidOperation):
        raise BadJson("number_out_of_range", "A number has too many digits: send it as a string.") from None


def first(text: str, start: int) -> tuple[object, int]:
    """The JSON value that begins at `start`, and where it ends; what follows is not looked at. Raises as `loads`.

    The text is Unicode that UTF-8 can carry.
    """
    value, end = _told(_DECODER.raw_decode, text, start)
    if text.find("\\u", start, end) >= 0:
        refuse_escapes(text[start:end])
    return value, end


def end_of(text: str, start: int) -> int | None:
    """Where the value ends that begins at `start`, whatever else `loads` has against it; None if it never does."""
    try:
        return _LENIENT.raw_decode(text, start)[1]
    except (ValueError, RecursionError):
        return None


def refuse_escapes(text: str) -> None:
    """Raise BadJson if a valid JSON text escapes a NUL or a surrogate without its other half."""
    for escape in _ESCAPE.finditer(text):
        if escape["nul"]:
            raise BadJson("nul_character", "A string contains the NUL character \\u0000: remove it.", escape.start())
        if escape["lone"]:
            raise _lone_surrogate(escape.start())


def _decoded(text: bytes | str) -> str:
    """The text as str, proven to be Unicode that UTF-8 can carry."""
    try:
        if isinstance(text, str):
            decoded = text
            if not text.isascii():
                text.encode()
        else:
            decoded = text.decode()
    except UnicodeDecodeError as error:
        detail = f"Byte {error.start} is not UTF-8: save or send the text as UTF-8."
        raise BadJson("not_utf8", detail, error.start) from None
    except UnicodeEncodeError as error:
        raise _lone_surrogate(error.start) from None
    if decoded.startswith("\ufeff"):
        raise BadJson("byte_order_mark", "The text starts with a byte-order mark: remove it.", 0)
    return decoded


def _lone_surrogate(position: int) -> BadJson:
    detail = "A string contains half of a surrogate pair: send whole characters."
    return BadJson("lone_surrogate", detail, position)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise BadJson("duplicate_key", f"The key {ascii(twice)[:80]} occurs twice in one object: keep one of them.")
    return found


def _constant(name: str) -> Never:
    raise BadJson("nan_or_infinity", f"{name} is not a number in JSON: leave the field out or send a number.")


_parse_float: Callable[[str], Any] = Decimal
_DECODER = JSONDecoder(parse_float=_parse_float, parse_constant=_constant, object_pairs_hook=_object)
_LENIENT = JSONDecoder(parse_float=str, parse_int=str)
