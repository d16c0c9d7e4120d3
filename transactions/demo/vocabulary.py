"""What the demo's world is made of: homes and far countries, trades, and the rhythms of people."""

from typing import NamedTuple

CURRENCIES = ("EUR", "USD", "GBP")
# Of each currency for a euro, about; prices are told in euros.
PER_EURO = (1.0, 1.1, 0.85)

STATUSES = ("completed", "failed", "pending", "refunded")
COMPLETED, FAILED, PENDING, REFUNDED = range(4)

CHANNELS = ("pos", "online", "app", "atm", "recurring")
POS, ONLINE, APP, ATM, RECURRING = range(5)

# How a merchant writes prices: to the cent, ending in 99, whole, in tenths, in tens.
CENTS, NINES, WHOLE, TENTHS, TENS = range(5)


class Home(NamedTuple):
    """Where a share of the users lives."""

    country: str
    currency: str
    zone: str
    share: float


HOMES = (
    Home("DE", "EUR", "Europe/Berlin", 0.23),
    Home("FR", "EUR", "Europe/Paris", 0.13),
    Home("ES", "EUR", "Europe/Madrid", 0.08),
    Home("IT", "EUR", "Europe/Rome", 0.08),
    Home("NL", "EUR", "Europe/Amsterdam", 0.06),
    Home("AT", "EUR", "Europe/Vienna", 0.04),
    Home("PT", "EUR", "Europe/Lisbon", 0.03),
    Home("IE", "EUR", "Europe/Dublin", 0.03),
    Home("GB", "GBP", "Europe/London", 0.15),
    Home("US", "USD", "America/New_York", 0.08),
    Home("US", "USD", "America/Chicago", 0.05),
    Home("US", "USD", "America/Los_Angeles", 0.04),
)
# Where people travel, and where fraud comes from: both happen in the same countries.
ABROAD = ("GR", "HR", "TR", "TH", "MX", "AE", "CH", "JP", "MA", "RO", "BR", "NG", "VN", "PH")
COUNTRIES = (*dict.fromkeys(home.country for home in HOMES), *ABROAD)
# Shops that everybody reaches over the net sit in these countries.
NET_COUNTRIES = ("US", "IE", "NL", "GB", "DE")

# Hours of a day as bells: (centre, width, weight).
Bells = tuple[tuple[float, float, float], ...]


class Trade(NamedTuple):
    """A category of merchants: how often it is visited, what it charges in euros, when, and how."""

    name: str
    visits: float
    price: float
    spread: float
    hours: Bells
    channel: int
    style: int


MORNING: Bells = ((8, 1.5, 1.0), (15, 2, 0.4))
LUNCH: Bells = ((12.5, 1, 1.0), (19, 1.5, 0.7))
EVENING: Bells = ((20, 1.8, 1.0), (13, 1, 0.4))
SHOPS: Bells = ((11.5, 2, 0.8), (16.5, 2.2, 1.0))
COMMUTE: Bells = ((7.5, 1, 1.0), (17.5, 1.5, 1.0))
LATE: Bells = ((21.5, 2, 1.0), (14, 4, 0.4))
ALL_DAY: Bells = ((10, 3, 0.8), (17.5, 2.5, 1.0))

TRADES = (
    Trade("groceries", 0.24, 27, 0.60, ALL_DAY, POS, CENTS),
    Trade("restaurants", 0.09, 32, 0.50, EVENING, POS, TENTHS),
    Trade("fast_food", 0.08, 11, 0.35, LUNCH, POS, TENTHS),
    Trade("cafes", 0.09, 5.2, 0.30, MORNING, POS, TENTHS),
    Trade("transit", 0.08, 3.4, 0.30, COMMUTE, APP, TENTHS),
    Trade("fuel", 0.05, 52, 0.35, ALL_DAY, POS, CENTS),
    Trade("pharmacy", 0.04, 16, 0.60, SHOPS, POS, CENTS),
    Trade("clothing", 0.05, 48, 0.60, SHOPS, POS, NINES),
    Trade("home", 0.025, 70, 0.75, SHOPS, POS, NINES),
    Trade("entertainment", 0.03, 24, 0.40, EVENING, APP, WHOLE),
    Trade("electronics", 0.015, 170, 0.90, SHOPS, POS, NINES),
    Trade("hotels", 0.006, 190, 0.60, EVENING, POS, WHOLE),
    Trade("jewellery", 0.003, 260, 0.90, SHOPS, POS, WHOLE),
    Trade("cash", 0.03, 80, 0.60, ALL_DAY, ATM, TENS),
    Trade("money_transfer", 0.012, 170, 0.90, ALL_DAY, APP, WHOLE),
    Trade("marketplace", 0.08, 33, 0.80, LATE, ONLINE, NINES),
    Trade("games", 0.03, 12, 0.60, LATE, ONLINE, NINES),
    Trade("travel", 0.01, 290, 0.70, LATE, ONLINE, CENTS),
    Trade("streaming", 0, 11, 0.30, MORNING, RECURRING, NINES),
    Trade("telecom", 0, 27, 0.40, MORNING, RECURRING, NINES),
    Trade("utilities", 0, 85, 0.40, MORNING, RECURRING, CENTS),
    Trade("insurance", 0, 46, 0.60, MORNING, RECURRING, CENTS),
    Trade("fitness", 0, 32, 0.40, MORNING, RECURRING, NINES),
    Trade("housing", 0, 780, 0.30, MORNING, RECURRING, WHOLE),
)
TRADE = {trade.name: number for number, trade in enumerate(TRADES)}
NET_TRADES = ("marketplace", "games", "travel", "electronics", "clothing", "streaming")
FAR_TRADES = (
    "groceries",
    "restaurants",
    "fast_food",
    "cafes",
    "clothing",
    "electronics",
    "hotels",
    "jewellery",
    "cash",
)
NEAR_TRADES = tuple(trade.name for trade in TRADES if trade.channel != ONLINE and trade.name != "streaming")
BILLS = ("streaming", "telecom", "utilities", "insurance", "fitness", "housing")
RETURNABLE = ("clothing", "electronics", "marketplace", "home")


class Rhythm(NamedTuple):
    """A kind of life: its share of the users, payments a day, hours, and weight of each weekday from Monday."""

    name: str
    share: float
    rate: float
    hours: Bells
    weekdays: tuple[float, float, float, float, float, float, float]
    bills: int


RHYTHMS = (
    Rhythm(
        "commuter",
        0.34,
        1.0,
        ((7.7, 0.9, 1.0), (12.5, 0.9, 0.8), (18, 1.6, 1.4)),
        (1.1, 1.1, 1.1, 1.1, 1.2, 0.8, 0.6),
        3,
    ),
    Rhythm("home", 0.18, 0.8, ((10.5, 2, 1.0), (15.5, 2, 0.9)), (1, 1, 1, 1, 1.1, 1.1, 0.8), 3),
    Rhythm(
        "weekender",
        0.16,
        0.75,
        ((12, 2.5, 1.0), (17, 2.5, 1.0), (20.5, 1.5, 0.6)),
        (0.4, 0.4, 0.4, 0.5, 1.2, 2.4, 1.7),
        3,
    ),
    Rhythm(
        "evening",
        0.14,
        0.95,
        ((19.5, 1.8, 1.3), (22, 1.4, 0.7), (12.8, 0.8, 0.3)),
        (0.9, 0.9, 1, 1.1, 1.3, 1.1, 0.7),
        3,
    ),
    Rhythm("night", 0.08, 0.9, ((22.5, 1.8, 1.0), (2.5, 2, 1.0), (6, 1.2, 0.6)), (1, 1, 1, 1, 1, 1, 1), 2),
    Rhythm("monthly", 0.10, 0.35, ((10, 2.5, 1.0), (18, 2, 0.6)), (1, 1, 1, 1, 1, 0.8, 0.6), 6),
)
MONTHLY = 5

KINDS = (
    "amount_spike",
    "small_burst",
    "dormant_wakes",
    "odd_hour",
    "new_country_device",
    "structuring",
    "duplicate_charge",
    "takeover_spell",
    "compromised_merchant",
)
