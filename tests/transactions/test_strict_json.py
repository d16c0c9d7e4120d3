import json
from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transactions.strict_json import BadJson, loads

ANY_TEXT = st.text(st.characters(exclude_categories=()))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("90071992547409.93", Decimal("90071992547409.93")),
        ("1.10", Decimal("1.10")),
        ("1e400", Decimal("1e400")),
        ("12345678901234567890", 12345678901234567890),
        ('{"a":[1,null,true,"é"]}', {"a": [1, None, True, "é"]}),
        (r'"\\u0000 \ud83d\ude00 \u00e9"', "\\u0000 😀 é"),
        ('  "x"\n', "x"),
        (b"{}", {}),
    ],
)
def test_strict_json_is_read_digit_for_digit(text: str | bytes, value: object) -> None:
    read = loads(text)
    assert repr(read) == repr(value)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "not_json"),
        ("{", "not_json"),
        ("[1,]", "not_json"),
        ("{} {}", "not_json"),
        ("'a'", "not_json"),
        ("01", "not_json"),
        ("+1", "not_json"),
        ("1_000", "not_json"),
        ('"\x00"', "not_json"),
        ('"\n"', "not_json"),
        ("\x00", "not_json"),
        ("NaN", "nan_or_infinity"),
        ("[-Infinity]", "nan_or_infinity"),
        ('{"a":1,"a":1}', "duplicate_key"),
        (r'[{"b":{"a":1,"\u0061":1}}]', "duplicate_key"),
        (r'"\u0000"', "nul_character"),
        (r'{"\u0000":1}', "nul_character"),
        (r'"\ud800"', "lone_surrogate"),
        (r'"\\\uDFFF"', "lone_surrogate"),
        (r'"\ud83d\ud83d\ude00"', "lone_surrogate"),
        ('"\ud800"', "lone_surrogate"),
        ("\ufeff{}", "byte_order_mark"),
        (b"\xef\xbb\xbf{}", "byte_order_mark"),
        (b'"\xff"', "not_utf8"),
        (b'"\xed\xa0\x80"', "not_utf8"),
        ('"é"'.encode("utf-16"), "not_utf8"),
        ("[" * 20_000 + "]" * 20_000, "too_deep"),
        ('{"a":' * 20_000 + "1" + "}" * 20_000, "too_deep"),
        ("[" * 20_000, "too_deep"),
        ("9" * 5_000, "number_out_of_range"),
        ("1e99999999999999999999", "number_out_of_range"),
    ],
)
def test_what_is_not_strict_json_is_refused_with_its_code(text: str | bytes, code: str) -> None:
    with pytest.raises(BadJson) as caught:
        loads(text)
    assert caught.value.code == code
    assert caught.value.detail.endswith(".")


@pytest.mark.parametrize(("text", "position"), [('{"a" 1}', 5), (b'{"a": "\xff"}', 7), (r'["\u0000"]', 2), ("{}x", 2)])
def test_the_place_is_told(text: str | bytes, position: int) -> None:
    with pytest.raises(BadJson) as caught:
        loads(text)
    assert caught.value.position == position


def test_equal_keys_are_found_in_a_large_object_without_delay() -> None:
    pairs = ",".join(f'"{n}":1' for n in range(200_000))
    with pytest.raises(BadJson, match="'7' occurs twice"):
        loads(f'{{{pairs},"7":2}}')


@settings(deadline=None)
@given(st.one_of(st.binary(), ANY_TEXT))
def test_anything_is_read_or_refused(text: str | bytes) -> None:
    with suppress(BadJson):
        value = loads(text)
        assert repr(value) == repr(json.loads(text, parse_float=Decimal))


@settings(deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_what_python_writes_is_read_back_unless_it_holds_nul(value: object) -> None:
    text = json.dumps(value)
    if r"\u0000" in text.replace(r"\\", ""):
        with pytest.raises(BadJson, match="NUL"):
            loads(text)
    else:
        assert loads(text) == value
