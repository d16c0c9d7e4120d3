"""The table of good and bad rows that every door takes, and about which every door must agree."""

from tests.transactions.row_cases import (
    USER,
    Case,
    bad,
    bad_meta_text,
    bad_value,
    fragments_of,
    good,
    id_of,
    nested,
    row_of,
)
from transactions.rows import FIELDS

_PLAIN = [
    good("plain"),
    good("amount as a JSON number", amount="12.34"),
    good("no meta_data", meta_data=None),
    good("null meta_data", meta_data="null"),
    good("every field at once", {"meta_data": '{"merchant_id":"m1"}'}, meta_data='{"merchant_id":"m1"}'),
]

_AMOUNTS = [
    good("amount beyond a double, as number", {"amount": "90071992547409.93"}, amount="90071992547409.93"),
    good("amount beyond a double, as string", {"amount": "90071992547409.93"}, amount='"90071992547409.93"'),
    good("largest amount, as string", {"amount": "999999999999999999.99"}, amount='"999999999999999999.99"'),
    good("largest amount, as number", {"amount": "999999999999999999.99"}, amount="999999999999999999.99"),
    good("amount zero", {"amount": "0.00"}, amount="0"),
    good("amount minus zero", {"amount": "0.00"}, amount="-0"),
    good("amount minus zero with decimals", {"amount": "0.00"}, amount='"-0.00"'),
    good("amount of one decimal", {"amount": "1.50"}, amount='"1.5"'),
    good("amount whole", {"amount": "7.00"}, amount='"7"'),
    good("amount with zeros at the end, as string", {"amount": "1.50"}, amount='"1.5000"'),
    good("amount with zeros at the end, as number", {"amount": "1.50"}, amount="1.5000"),
    good("amount with an exponent, as number", {"amount": "100.00"}, csv=False, amount="1e2"),
    good("amount with a negative exponent, as number", {"amount": "0.01"}, csv=False, amount="1E-2"),
    bad(
        "amount 1e400, as number", ("amount", "too_many_digits"), csv_problems=(("amount", "exponent"),), amount="1e400"
    ),
    bad(
        "amount 1e-400, as number",
        ("amount", "too_many_decimals"),
        csv_problems=(("amount", "exponent"),),
        amount="1e-400",
    ),
    bad(
        "amount with an endless exponent",
        ("", "number_out_of_range"),
        csv_problems=(("amount", "exponent"),),
        amount="1e99999999999999999999",
    ),
    bad(
        "amount of 5,000 digits",
        ("", "number_out_of_range"),
        csv_problems=(("amount", "not_a_number"),),
        amount="1" * 5000,
    ),
    bad("amount NaN", ("", "nan_or_infinity"), csv_problems=(("amount", "not_a_number"),), amount="NaN"),
    bad("amount Infinity", ("", "nan_or_infinity"), csv_problems=(("amount", "not_a_number"),), amount="Infinity"),
    bad("amount -Infinity", ("", "nan_or_infinity"), csv_problems=(("amount", "not_a_number"),), amount="-Infinity"),
    bad("amount missing", ("amount", "required"), amount=None),
    bad("amount null", ("amount", "required"), amount="null"),
    bad("amount empty", ("amount", "not_a_number"), csv_problems=(("amount", "required"),), amount='""'),
    *bad_value(
        "amount", "exponent", {"1e5 as string": '"1e5"', "1.2E+11 as string": '"1.2E+11"', "1e400 as string": '"1e400"'}
    ),
    *bad_value("amount", "too_many_decimals", {"1.999": '"1.999"', "1.999 as number": "1.999", "0.001": '"0.001"'}),
    *bad_value(
        "amount", "too_many_digits", {"10^18": '"1000000000000000000"', "10^18 as number": "1000000000000000000"}
    ),
    *bad_value("amount", "negative", {"-0.01": '"-0.01"', "-5 as number": "-5"}),
    *bad_value(
        "amount",
        "not_a_number",
        {
            "NaN as string": '"NaN"',
            "sNaN as string": '"sNaN"',
            "Infinity as string": '"Infinity"',
            "with underscore": '"1_000"',
            "in full-width digits": '"１２.３４"',
            "in Arabic digits": '"١٢"',
            "with thousands separators": '"1,000.00"',
            "with decimal comma": '"12,34"',
            "with a space before": '" 1"',
            "with a line end": r'"1\n"',
            "with plus": '"+1"',
            "with two points": '"1.2.3"',
            "without digits before the point": '".5"',
            "without digits after the point": '"5."',
            "with leading zero": '"007"',
            "with a currency sign": '"€5"',
            "hexadecimal": '"0x10"',
            "true": "true",
            "an array": "[1]",
            "an object": '{"value":1}',
        },
    ),
]

_CURRENCIES = [
    good("currency withdrawn lately", {"currency": "HRK"}, currency='"HRK"'),
    good("currency without decimals", {"currency": "JPY"}, currency='"JPY"'),
    bad("currency missing", ("currency", "required"), currency=None),
    *bad_value(
        "currency",
        "not_a_currency",
        {
            "unknown": '"ABC"',
            "lower case": '"eur"',
            "a sign": '"€"',
            "numeric": '"978"',
            "a number": "978",
            "of four letters": '"EURO"',
            "with a space": '"EUR "',
            "in full-width letters": '"ＥＵＲ"',
            "none, XXX": '"XXX"',
            "for tests, XTS": '"XTS"',
            "an array": '["EUR"]',
        },
    ),
]

_UTC = "2026-01-02T03:04:05+00:00"
_TIMES = [
    good("time with an offset", {"txn_date": "2026-01-02T01:34:05+00:00"}, txn_date='"2026-01-02T03:04:05+01:30"'),
    good(
        "time with a negative offset", {"txn_date": "2026-01-02T11:04:05+00:00"}, txn_date='"2026-01-02T03:04:05-08:00"'
    ),
    good("time with a space", {"txn_date": _UTC}, txn_date='"2026-01-02 03:04:05+00:00"'),
    good("time in small letters", {"txn_date": _UTC}, txn_date='"2026-01-02t03:04:05z"'),
    good(
        "time with microseconds",
        {"txn_date": "2026-01-02T03:04:05.123456+00:00"},
        txn_date='"2026-01-02T03:04:05.123456Z"',
    ),
    good("time with tenths", {"txn_date": "2026-01-02T03:04:05.500000+00:00"}, txn_date='"2026-01-02T03:04:05.5Z"'),
    good(
        "time with nine digits, three zeros",
        {"txn_date": "2026-01-02T03:04:05.123456+00:00"},
        txn_date='"2026-01-02T03:04:05.123456000Z"',
    ),
    good("time at the epoch", {"txn_date": "1970-01-01T00:00:00+00:00"}, txn_date='"1970-01-01T00:00:00Z"'),
    good("time on a leap day", {"txn_date": "2024-02-29T00:00:00+00:00"}, txn_date='"2024-02-29T00:00:00Z"'),
    bad("time missing", ("txn_date", "required"), txn_date=None),
    bad("time one nanosecond too fine", ("txn_date", "too_precise"), txn_date='"2026-01-02T03:04:05.123456789Z"'),
    *bad_value(
        "txn_date", "no_offset", {"local": '"2026-01-02T03:04:05"', "local with a space": '"2026-01-02 03:04:05.5"'}
    ),
    *bad_value(
        "txn_date",
        "before_1970",
        {
            "a microsecond before": '"1969-12-31T23:59:59.999999Z"',
            "by its offset": '"1970-01-01T00:00:00+00:01"',
            "in year 0": '"0000-01-01T00:00:00Z"',
            "in year 1 east of UTC": '"0001-01-01T00:00:00+23:59"',
        },
    ),
    *bad_value(
        "txn_date",
        "in_the_future",
        {"in 2999": '"2999-01-01T00:00:00Z"', "in year 9999": '"9999-12-31T23:59:59.999999-23:59"'},
    ),
    *bad_value("txn_date", "leap_second", {"60": '"2016-12-31T23:59:60Z"'}),
    *bad_value(
        "txn_date",
        "not_a_time",
        {
            "infinity": '"infinity"',
            "-infinity": '"-infinity"',
            "now": '"now"',
            "epoch": '"epoch"',
            "a Unix time": "1767323045",
            "a Unix time as string": '"1767323045"',
            "a date": '"2026-01-02"',
            "without seconds": '"2026-01-02T03:04Z"',
            "of week and day": '"2026-W01-5T03:04:05Z"',
            "without separators": '"20260102T030405Z"',
            "with a short offset": '"2026-01-02T03:04:05+01"',
            "with an offset of 24 hours": '"2026-01-02T03:04:05+24:00"',
            "with a zone's name": '"2026-01-02T03:04:05 Europe/Berlin"',
            "at 24 o'clock": '"2026-01-02T24:00:00Z"',
            "on 30 February": '"2026-02-30T00:00:00Z"',
            "with a comma": '"2026-01-02T03:04:05,5Z"',
            "in full-width digits": '"２０２６-01-02T03:04:05Z"',
            "with a line end": r'"2026-01-02T03:04:05Z\n"',
            "of a five-digit year": '"10000-01-01T00:00:00Z"',
            "true": "true",
        },
    ),
]

_STATUSES = [
    good("status of 32 characters", {"status": "a" * 32}, status=f'"{"a" * 32}"'),
    good("status with digits", {"status": "step_2"}, status='"step_2"'),
    bad("status missing", ("status", "required"), status=None),
    *bad_value(
        "status",
        "not_a_status",
        {
            "capital": '"Completed"',
            "of 33 characters": f'"{"a" * 33}"',
            "with a digit first": '"2nd"',
            "with a hyphen": '"charged-back"',
            "with a line end": r'"completed\n"',
            "with an umlaut": '"erfüllt"',
            "a number": "1",
        },
    ),
]

_IDS = [
    good("id in capitals", {"id": id_of("capitals")}, id=f'"{id_of("capitals").upper()}"'),
    good("id without hyphens", {"id": id_of("hyphens")}, id=f'"{id_of("hyphens").replace("-", "")}"'),
    good("user_id in capitals", {"user_id": USER}, user_id=f'"{USER.upper()}"'),
    bad("user_id missing", ("user_id", "required"), user_id=None),
    bad("id empty", ("id", "not_a_uuid"), csv=False, id='""'),
    *bad_value("id", "nil_uuid", {"nil": '"00000000-0000-0000-0000-000000000000"'}),
    *bad_value("user_id", "nil_uuid", {"nil": f'"{"0" * 32}"'}),
    *bad_value(
        "id",
        "not_a_uuid",
        {
            "in braces": f'"{{{USER}}}"',
            "with urn": f'"urn:uuid:{USER}"',
            "one digit short": f'"{USER[:-1]}"',
            "with hyphens elsewhere": '"6f1c2a345b6d-4e7f-8a9b-0c1d2e3f-4a5b"',
            "with a letter beyond f": f'"{"g" * 32}"',
            "in full-width digits": f'"{"１" * 32}"',
            "with a line end": rf'"{USER}\n"',
            "a number": "42",
        },
    ),
    *bad_value("user_id", "not_a_uuid", {"a word": '"alice"', "true": "true", "an object": "{}"}),
]

_NUMBERS = '{"a":1.50,"b":-0.0,"c":12345678901234567890,"d":1e5,"e":0.1}'
_META_DATA = [
    good(
        "meta_data nested",
        {"meta_data": '{"a":[1,{"b":null}],"c":true}'},
        meta_data='{"c": true, "a": [1, {"b": null}]}',
    ),
    good(
        "meta_data numbers exact",
        {"meta_data": '{"a":1.50,"b":0.0,"c":12345678901234567890,"d":100000,"e":0.1}'},
        meta_data=_NUMBERS,
    ),
    good(
        "meta_data with escapes",
        {"meta_data": r'{"a":"\\u0000 \" \t 😀"}'},
        meta_data=r'{"a":"\\u0000 \" \t \ud83d\ude00"}',
    ),
    good("meta_data with an empty key", {"meta_data": '{"":""}'}, meta_data='{"":""}'),
    good("meta_data 16 levels deep", {"meta_data": nested(16)}, meta_data=nested(16)),
    good("meta_data of 16 KiB", {"meta_data": f'{{"a":"{"x" * 16376}"}}'}, meta_data=f'{{"a":"{"x" * 16376}"}}'),
    good("meta_data as JSON text", {"meta_data": '{"a":1}'}, csv=False, meta_data=r'"{\"a\": 1}"'),
    good(
        "merchant_id of 200 characters",
        {"meta_data": f'{{"merchant_id":"{"é" * 200}"}}'},
        meta_data=f'{{"merchant_id":"{"é" * 200}"}}',
    ),
    good("merchant_id null", {"meta_data": '{"merchant_id":null}'}, meta_data='{"merchant_id":null}'),
    good("merchant_id a whole number", {"meta_data": '{"merchant_id":42}'}, meta_data='{"merchant_id":42}'),
    bad_meta_text("meta_data with NUL", "nul_character", r'{"a":"\u0000"}'),
    bad_meta_text("meta_data with NUL in a key", "nul_character", r'{"\u0000":1}'),
    bad_meta_text("meta_data with a lone surrogate", "lone_surrogate", r'{"a":"\ud800"}'),
    bad_meta_text("meta_data with surrogates swapped", "lone_surrogate", r'{"a":"\ude00\ud83d"}'),
    bad_meta_text("meta_data with equal keys", "duplicate_key", '{"a":1,"a":2}'),
    bad_meta_text("meta_data with equal keys, one escaped", "duplicate_key", r'{"a":1,"\u0061":2}'),
    bad_meta_text("meta_data with NaN", "nan_or_infinity", '{"a":NaN}'),
    bad_meta_text("meta_data with -Infinity", "nan_or_infinity", '{"a":-Infinity}'),
    bad_meta_text("meta_data of 20,000 nested arrays", "too_deep", '{"a":' + "[" * 20_000 + "]" * 20_000 + "}"),
    bad_meta_text("meta_data not closed", "not_json", '{"a":1'),
    bad_meta_text("meta_data with single quotes", "not_json", "{'a':1}"),
    bad_meta_text("meta_data with a comma at the end", "not_json", '{"a":1,}'),
    bad_meta_text("meta_data with a number of 5,000 digits", "number_out_of_range", '{"a":' + "9" * 5000 + "}"),
    *bad_value(
        "meta_data",
        "too_deep",
        {"17 levels deep": nested(17), "100 arrays deep": '{"a":' + "[" * 100 + "]" * 100 + "}"},
    ),
    *bad_value(
        "meta_data",
        "too_large",
        {
            "one byte over": f'{{"a":"{"x" * 16377}"}}',
            "over in bytes only": f'{{"a":"{"é" * 8189}"}}',
            "of 3 MB": f'{{"a":"{"x" * 3_000_000}"}}',
            "large once its numbers are written out": '{"a":[' + ",".join(["1e300"] * 60) + "]}",
        },
    ),
    *bad_value(
        "meta_data",
        "number_out_of_range",
        {
            "1e400": '{"a":1e400}',
            "1e-16400": '{"a":1e-16400}',
            "400 digits": '{"a":' + "9" * 400 + "}",
            "0e400": '{"a":0e400}',
        },
    ),
    *bad_value(
        "meta_data", "not_an_object", {"an array": "[]", "a number": "1", "true": "true", "an array as text": '"[]"'}
    ),
    *bad_value(
        "meta_data",
        "merchant_id_not_text",
        {
            "merchant_id an object": '{"merchant_id":{"id":1}}',
            "merchant_id an array": '{"merchant_id":["m1"]}',
            "merchant_id true": '{"merchant_id":true}',
            "merchant_id with decimals": '{"merchant_id":1.5}',
        },
    ),
    *bad_value(
        "meta_data", "merchant_id_too_long", {"merchant_id of 201 characters": f'{{"merchant_id":"{"m" * 201}"}}'}
    ),
]

_ROWS = [
    bad(
        "everything wrong at once",
        ("id", "not_a_uuid"),
        ("user_id", "required"),
        ("amount", "negative"),
        ("currency", "not_a_currency"),
        ("txn_date", "no_offset"),
        ("status", "not_a_status"),
        ("meta_data", "not_an_object"),
        id='"x"',
        user_id=None,
        amount="-1",
        currency='"eur"',
        txn_date='"2026-01-02T03:04:05"',
        status='"OK"',
        meta_data="[]",
    ),
    bad("unknown field", ("amout", "unknown_field"), csv=False, amout='"1"'),
    bad("merchant_id beside the fields", ("merchant_id", "unknown_field"), csv=False, merchant_id='"m1"'),
    bad("no field at all", *((field, "required") for field in FIELDS[1:-1]), raw="{}"),
    bad("row an array", ("", "not_an_object"), raw="[]"),
    bad("row null", ("", "not_an_object"), raw="null"),
    bad("row a string", ("", "not_an_object"), raw='"row"'),
    bad("row of 20,000 nested arrays", ("", "too_deep"), raw="[" * 20_000 + "]" * 20_000),
    bad(
        "row with a field twice",
        ("", "duplicate_key"),
        raw=row_of(fragments_of("twice", {}))[:-1] + ',"amount":"12.34"}',
    ),
    bad("row cut short", ("", "not_json"), raw=row_of(fragments_of("cut", {}))[:-5]),
    bad("row with something after it", ("", "not_json"), raw=row_of(fragments_of("after", {})) + "x"),
    bad("row with a byte-order mark", ("", "byte_order_mark"), raw="\ufeff" + row_of(fragments_of("mark", {}))),
]

CASES: list[Case] = [*_PLAIN, *_AMOUNTS, *_CURRENCIES, *_TIMES, *_STATUSES, *_IDS, *_META_DATA, *_ROWS]
GOOD = [case for case in CASES if case.is_good]
BAD = [case for case in CASES if not case.is_good]
CSV_CASES = [case for case in CASES if case.cells is not None]
