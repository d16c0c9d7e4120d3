"""One sentence for each reason, with the numbers a person would check."""

from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from django.utils import translation
from django.utils.formats import number_format

from anomalies.sentences import SENTENCES, sentence
from anomalies.wording import plain
from scoring import explain, score
from scoring.reasons import DETAILS
from tests.scoring.histories import population, reference_of

CASES: list[tuple[str, dict[str, float], str]] = [
    (
        "amount_over_median",
        {"amount": 482, "median": 79.1, "deviation": 20, "payments": 50, "ratio": 6.0936, "times": 13.6, "last": 50},
        "482.00 EUR is 6.1 times this user's median of 79.10 over the last 50 payments.",
    ),
    (
        "amount_deviations",
        {"amount": 482, "median": 79.1, "deviation": 20, "payments": 32, "ratio": 6.0936, "times": 13.58, "last": 50},
        "482.00 EUR lies 13.6 usual deviations from this user's median of 79.10 over the last 32 payments.",
    ),
    (
        "amount_over_mean",
        {"amount": 12345.6, "mean": 100, "spread": 9, "payments": 61, "ratio": 123.456, "times": 9, "days": 90},
        "12,345.60 EUR is 123.5 times this user's usual 100.00, the mean of 61 payments in 90 days.",
    ),
    (
        "amount_spreads",
        {"amount": 150, "mean": 100, "spread": 5, "payments": 61, "ratio": 1.5, "times": 10, "days": 90},
        "150.00 EUR lies 10.0 usual deviations from this user's mean of 100.00, from 61 payments in 90 days.",
    ),
    (
        "amount_in_population",
        {"amount": 482, "usual": 200, "percent": 99, "one_in": 4e7, "ratio": 2.41},
        "482.00 EUR is 2.4 times 200.00, which 99 % of payments in EUR stay below.",
    ),
    (
        "amount_in_population",
        {"amount": 82, "usual": 200, "percent": 99, "one_in": 11.6, "ratio": 0.41},
        "One in 12 payments in EUR is as large as 82.00 EUR.",
    ),
    (
        "renewed_excess",
        {"large": 0, "excess": 0, "median": 80, "days": 14, "amount": 482, "above": 402},
        "482.00 EUR differs by 402.00 from this user's median of 80.00, "
        "and no other payment of the last 14 days was large.",
    ),
    (
        "renewed_excess",
        {"large": 2, "excess": 903, "median": 80, "days": 14, "amount": 482, "above": 402},
        "2 other payments of the last 14 days were above three times the median of 80.00, by 903.00 EUR together.",
    ),
    (
        "excess_14d",
        {"large": 1, "excess": 203, "median": 80, "days": 14, "amount": 82, "above": 2},
        "1 other payment of the last 14 days was above three times the median of 80.00, by 203.00 EUR.",
    ),
    (
        "spend_over_usual",
        {"spend": 1200, "usual": 300, "ratio": 4, "days": 7},
        "The last 7 days come to 1,200.00 EUR with this payment, 4.0 times the usual 300.00.",
    ),
    (
        "large_burst",
        {"large": 6, "usual": 0.52, "days": 7},
        "6 payments of the last 7 days with this one are above three times this user's median; 0.52 would be usual.",
    ),
    (
        "burst_1h",
        {"count": 11, "usual": 0.00312, "hours": 1},
        "11 other payments in the last hour; this user's usual rate would give 0.0031.",
    ),
    (
        "burst_1d",
        {"count": 1, "usual": 0.5, "hours": 24},
        "1 other payment in the last day; this user's usual rate would give 0.50.",
    ),
    (
        "burst_7d",
        {"count": 40, "usual": 8.25, "hours": 168},
        "40 other payments in the last 7 days; this user's usual rate would give 8.25.",
    ),
    (
        "failures_1d",
        {"failed": 4, "usual": 0.2, "payments": 5, "hours": 24},
        "4 of 5 payments in the last day failed; 0.20 would be usual.",
    ),
    (
        "silence_over_usual",
        {"days": 412.34, "usual": 2.5, "ratio": 165},
        "The first payment after 412.3 days; this user usually pays every 2.5 days.",
    ),
    (
        "merchant_silence",
        {"days": 41.26, "usual": 0.406},
        "Nobody paid this merchant in EUR in the 41.3 days before; "
        "half of all payments come within 9.7 hours of their merchant's last one.",
    ),
    (
        "merchant_silence",
        {"days": 0.0083, "usual": 1},
        "Nobody paid this merchant in EUR in the 12.0 minutes before; "
        "half of all payments come within 1.0 days of their merchant's last one.",
    ),
    (
        "odd_hours",
        {"odd": 1, "usual": 0.0123, "hours": 24},
        "1 payment of the last day with this one was at an hour at which this user hardly ever pays; "
        "0.012 would be usual.",
    ),
    (
        "odd_hours",
        {"odd": 3, "usual": 0.25, "hours": 24},
        "3 payments of the last day with this one were at hours at which this user hardly ever pays; "
        "0.25 would be usual.",
    ),
    (
        "odd_hours",
        {"odd": 0, "usual": 0, "hours": 24},
        "No payment of the last day was at an hour at which this user hardly ever pays.",
    ),
    (
        "hour_unusual",
        {"hour": 3, "share": 0.0042, "near": 0, "payments": 120},
        "Between 03:00 and 03:59 UTC fall 0.4 % of this user's payments, "
        "judged by the last 120 and by all users' hours.",
    ),
    (
        "amount_at_hour",
        {"amount": 480, "hour": 3, "one_in": 2300.4, "usual": 150.2, "seen": 9000},
        "Of all payments in EUR, one in 2,300 is of about 480.00 EUR at about 03:00 UTC; "
        "of a usual payment's amount and hour it is one in 150.",
    ),
    (
        "amount_in_category",
        {"amount": 480, "one_in": 10.0**9, "usual": 41, "seen": 9000},
        "Of all payments in EUR, fewer than one in 9,000 is of about 480.00 EUR in this category; "
        "of a usual payment's amount and category it is one in 41.",
    ),
    (
        "new_merchant",
        {"new": 1, "payments": 214, "once_in": 40.25},
        "First payment to this merchant in 214 payments; this user turns to a new one once in 40.2.",
    ),
    (
        "new_category",
        {"new": 1, "payments": 214, "once_in": 40},
        "First payment in this category in 214 payments; this user turns to a new one once in 40.0.",
    ),
    (
        "new_country",
        {"new": 1, "payments": 214, "once_in": 216},
        "Not one of this user's 214 payments up to a day before was in this country; one in 216.0 is in a new one.",
    ),
    (
        "new_device",
        {"new": 0, "payments": 214, "once_in": 1},
        "This user has paid from this device before.",
    ),
    (
        "new_currency",
        {"new": 1, "payments": 99, "once_in": 101},
        "Not one of this user's 99 payments up to a day before was in EUR; one in 101.0 is in a new currency.",
    ),
    (
        "amount_at_merchant",
        {"amount": 480, "usual": 40, "ratio": 12, "payments": 256, "times": 4.2},
        "480.00 EUR is 12.0 times the usual 40.00 of this merchant's last 256 payments in EUR, "
        "4.2 usual deviations away.",
    ),
    (
        "surge_1d",
        {"count": 41, "usual": 2.04, "hours": 24},
        "41 payments in EUR at this merchant in the last day, by all its customers; its usual rate would give 2.04.",
    ),
    (
        "surge_7d",
        {"count": 60, "usual": 14.25, "hours": 168},
        "60 payments in EUR at this merchant in the last 7 days, by all its customers; "
        "its usual rate would give 14.25.",
    ),
    (
        "departures_14d",
        {"count": 7, "usual": 0.84, "days": 14},
        "Like this one, 7 payments of others in EUR at this merchant in the last 14 days were unlike who paid, "
        "by their hour or their amount; its usual rate would give 0.84.",
    ),
    (
        "departures_14d",
        {"count": 1, "usual": 0.1, "days": 14},
        "Like this one, 1 payment of others in EUR at this merchant in the last 14 days was unlike who paid, "
        "by its hour or its amount; its usual rate would give 0.10.",
    ),
    (
        "charged_again",
        {"amount": 9.9, "minutes": 2.5, "same": 1, "payments": 120, "usual_minutes": 1440},
        "The same merchant charged 9.90 EUR 2.5 minutes before; it was 1 of this user's last 120 payments, "
        "which usually come 24.0 hours apart.",
    ),
    (
        "charged_again",
        {"amount": 9.9, "minutes": 0, "same": 0, "payments": 120, "usual_minutes": 1440},
        "This merchant has not charged the same amount in the hour before.",
    ),
]


@pytest.mark.parametrize(("code", "values", "expected"), CASES)
def test_a_reason_reads_as_a_sentence(code: str, values: dict[str, float], expected: str) -> None:
    assert sentence({"code": code, "values": values}, "EUR") == expected


def test_every_reason_that_scoring_knows_has_a_sentence() -> None:
    assert set(SENTENCES) == set(DETAILS) == {code for code, _, _ in CASES}


def test_every_reason_of_real_scores_can_be_said() -> None:
    columns = population(users=20, keyed=True)
    columns.at_us[-9:] = columns.at_us[-1]
    columns.failed[-3:] = True
    columns.minor[::50] = 0
    features, reference = reference_of(columns)
    found = [row.reasons for row in explain(features, score(features, reference), range(len(features)))]
    sentences = [sentence(one, "EUR") for row in found for one in row]
    assert len(sentences) == sum(map(len, found)) > np.count_nonzero(columns.minor)
    assert not any(word in text for text in sentences for word in ("nan", "%(", "None"))


def test_numbers_follow_the_readers_language() -> None:
    reason: dict[str, Any] = {
        "code": "spend_over_usual",
        "values": {"spend": 1200, "usual": 300, "ratio": 4, "days": 7},
    }
    with translation.override("de"):
        assert "1.200,00 EUR" in sentence(reason, "EUR")


def test_a_reason_of_a_later_version_is_told_by_its_code() -> None:
    assert sentence({"code": "merchant_surge", "values": {}}, "EUR") == "merchant_surge"


@pytest.mark.parametrize("language", ["en", "de", "fr", "hi", "ar", "sv"])
def test_numbers_look_as_django_formats_them(language: str) -> None:
    numbers = (0.0, -0.0, -0.001, 0.05, 12.345, 999.96, -1234.5, 1234567.891, 9e14)
    with translation.override(language):
        for digits in (0, 1, 2):
            expected = [
                number_format(Decimal(f"{number:.{digits}f}"), decimal_pos=digits, force_grouping=True)
                for number in numbers
            ]
            assert [plain(number, digits) for number in numbers] == expected
