"""How numbers, amounts, instants and ids read; what a chart's columns and a user's profile are."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID, uuid4

import pytest

from anomalies import show
from anomalies.admin.charts import chart, days_up_to, rounded_up
from anomalies.profile import Payment, profile, usual_hours
from anomalies.templatetags import console
from anomalies.titles import TITLES, title
from scoring.reasons import DETAILS

MONDAY = datetime(2026, 3, 2, 9, 30, 15, tzinfo=UTC)


def test_money_keeps_every_cent_and_names_its_currency():
    assert show.money(Decimal("90071992547409.93"), "EUR") == (
        '<span class="money">90,071,992,547,409.93 <span class="unit">EUR</span></span>'
    )


def test_a_score_is_never_rounded_up_into_the_next_level():
    badge = show.level(79.99)
    assert "level-medium" in badge
    assert "79.9" in badge
    assert "80" not in badge


@pytest.mark.parametrize(("score", "word", "strokes"), [(95, "High", 3), (60, "Medium", 2), (40, "Low", 1)])
def test_a_level_is_told_by_word_and_strokes_not_only_by_colour(score, word, strokes):
    badge = show.level(score)
    assert word in badge
    assert badge.count('<i class="on">') == strokes
    assert badge.count("<i") == 3


def test_what_no_reference_has_seen_is_not_told_exactly():
    assert show.rarity(1_778.3) == "1 in 1,778"
    assert show.rarity(37_673_462) == "rarer than 1 in 100,000"


def test_an_id_is_short_and_whole_on_hover():
    assert show.short_id(UUID(int=0xABCDEF01)) == (
        '<span class="id" title="00000000-0000-0000-0000-0000abcdef01">…abcdef01</span>'
    )


def test_an_instant_is_shown_in_utc():
    shown = show.moment(MONDAY.astimezone(timezone(timedelta(hours=5))))
    assert ">2026-03-02 09:30<" in shown
    assert 'title="2026-03-02 09:30:15 UTC"' in shown


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (timedelta(seconds=20), "0 min"),
        (timedelta(minutes=90), "90 min"),
        (timedelta(hours=3), "3 h"),
        (timedelta(hours=47), "47 h"),
        (timedelta(days=1234), "1,234 d"),
        (timedelta(seconds=-5), "0 min"),
    ],
)
def test_a_span_is_told_in_the_unit_that_fits(span, text):
    assert show.span(span) == text


def test_an_estimate_says_so_and_has_three_digits():
    assert console.counted((1_234, True)) == "1,234"
    assert console.counted((1_234_567, False)) == "≈\N{NO-BREAK SPACE}1,230,000"
    assert console.counted((7, False)) == "≈\N{NO-BREAK SPACE}7"


def test_every_kind_of_evidence_has_a_name():
    assert set(TITLES) == set(DETAILS)
    assert title("new_one") == "new_one"


@pytest.mark.parametrize(("most", "top"), [(0, 2), (1, 2), (3, 4), (7, 10), (10, 10), (11, 20), (650, 1000)])
def test_a_charts_top_is_round_and_holds_the_most(most, top):
    assert rounded_up(most) == top


def test_columns_are_stacked_to_scale():
    days = days_up_to(date(2026, 3, 3), 2)
    drawn = chart(days, {days[1]: {"high": 1, "low": 3}}, ("high", "low"))
    empty, full = drawn.columns
    high, low = full.parts
    assert empty.parts == []
    assert low.height == pytest.approx(3 * high.height)
    assert high.y + high.height == drawn.ground
    assert low.y + low.height == pytest.approx(high.y)
    assert [line.value for line in drawn.grid] == [0, 2, 4]
    assert (drawn.total, full.total) == (4, 4)


def test_a_limit_beyond_the_scale_is_not_drawn():
    days = days_up_to(date(2026, 3, 3), 1)
    assert chart(days, {days[0]: {"cases": 3}}, ("cases",), limit=100).limit is None
    assert chart(days, {days[0]: {"cases": 3}}, ("cases",), limit=4).limit is not None


def payments(*amounts: str, currency: str = "EUR") -> list[Payment]:
    return [
        Payment(uuid4(), MONDAY + timedelta(hours=24 * day), Decimal(amount), currency, f"m{day % 2}", "completed")
        for day, amount in enumerate(amounts)
    ]


def test_a_profile_tells_what_is_ordinary():
    found = profile(payments("1", "2", "3", "4", "5", "6", "7", "8", "9", "90"))
    assert found is not None
    assert (found.payments, found.currency, found.median, found.ninth) == (10, "EUR", Decimal("5.5"), Decimal(90))
    assert found.every == timedelta(days=1)
    assert (found.from_hour, found.to_hour) == (9, 10)
    assert found.merchants == [("m0", 5), ("m1", 5)]


def test_a_few_payments_are_no_profile():
    assert profile(payments(*["1"] * 7)) is None


def test_amounts_of_other_currencies_stay_out_of_a_profile():
    found = profile([*payments(*["10"] * 8), *payments("9999", currency="JPY")])
    assert found is not None
    assert (found.currency, found.ninth) == ("EUR", Decimal(10))


def test_usual_hours_may_go_past_midnight():
    assert usual_hours([22, 23, 0, 1] * 5 + [12]) == (22, 2)
