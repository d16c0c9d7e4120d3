"""What kinds of evidence are called where there is no room for a sentence."""

from django.utils.translation import gettext_lazy as _

TITLES = {
    "amount_over_median": _("Amount above the user's median"),
    "amount_deviations": _("Amount far from the user's median"),
    "amount_over_mean": _("Amount above the user's 90-day mean"),
    "amount_spreads": _("Amount far from the user's 90-day mean"),
    "amount_in_population": _("Amount large for everybody"),
    "amount_at_merchant": _("Amount unusual for the merchant"),
    "renewed_excess": _("Large payments again in 14 days"),
    "excess_14d": _("Several large payments in 14 days"),
    "spend_over_usual": _("7-day spend above the usual"),
    "large_burst": _("More large payments than usual in 7 days"),
    "burst_1h": _("Burst of payments within an hour"),
    "burst_1d": _("Burst of payments within a day"),
    "burst_7d": _("Burst of payments within 7 days"),
    "failures_1d": _("Failed payments within a day"),
    "hour_unusual": _("Unusual hour for the user"),
    "odd_hours": _("Payments at odd hours within a day"),
    "amount_at_hour": _("Amount unusual at this hour"),
    "amount_in_category": _("Amount unusual in this category"),
    "new_merchant": _("New merchant for the user"),
    "new_category": _("New category for the user"),
    "new_country": _("New country for the user"),
    "new_device": _("New device for the user"),
    "new_currency": _("New currency for the user"),
    "silence_over_usual": _("First payment after a long silence"),
    "merchant_silence": _("Merchant that nobody paid for long"),
    "charged_again": _("The same charge again within an hour"),
    "surge_1d": _("Surge at the merchant within a day"),
    "surge_7d": _("Surge at the merchant within 7 days"),
    "departures_14d": _("Customers unlike themselves at the merchant"),
}


def title(code: str) -> str:
    """The name of a kind of evidence; the code itself where it is not known."""
    return str(TITLES.get(code, code))


# The groups of evidence, as `scoring.GROUPS` has them.
GROUP_TITLES = {
    "own_amount": _("Amount against the user's own past"),
    "population_amount": _("Amount against everybody's"),
    "spell": _("Spells of large payments"),
    "velocity": _("Bursts and failures"),
    "hour": _("Time of day"),
    "category": _("Amount within the category"),
    "novelty": _("Something new for the user"),
    "silence": _("Long silence of the user or the merchant"),
    "repeat": _("The same charge again"),
    "merchant_surge": _("Surge at the merchant"),
    "departures": _("The merchant's customers unlike themselves"),
}


def group_title(group: str) -> str:
    """The name of a group of evidence; the group itself where it is not known."""
    return str(GROUP_TITLES.get(group, group))
