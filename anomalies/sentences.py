"""A reason as one sentence with its numbers, in the reader's language. The only place for such sentences."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from anomalies.wording import _, count, expectation, money, ngettext, one_language, pause, plain, window

Numbers = Mapping[str, float]


def sentence(reason: Mapping[str, Any], currency: str) -> str:
    """What a reason of `scoring.reasons` says about a transaction in `currency`; its code where it is not known."""
    return sentences([reason], currency)[0]


def sentences(reasons: Sequence[Mapping[str, Any]], currency: str) -> list[str]:
    """The sentence of each reason."""
    with one_language():
        return [_written(reason, currency) for reason in reasons]


def _written(reason: Mapping[str, Any], currency: str) -> str:
    code: str = reason["code"]
    write = SENTENCES.get(code)
    return code if write is None else write(reason["values"], currency)


def over_median(values: Numbers, currency: str) -> str:
    return _("%(amount)s is %(ratio)s times this user's median of %(median)s over the last %(payments)s payments.") % {
        "amount": money(values["amount"], currency),
        "ratio": plain(values["ratio"]),
        "median": plain(values["median"], 2),
        "payments": count(values["payments"]),
    }


def deviations(values: Numbers, currency: str) -> str:
    return _(
        "%(amount)s lies %(times)s usual deviations from this user's median of %(median)s "
        "over the last %(payments)s payments."
    ) % {
        "amount": money(values["amount"], currency),
        "times": plain(abs(values["times"])),
        "median": plain(values["median"], 2),
        "payments": count(values["payments"]),
    }


def over_mean(values: Numbers, currency: str) -> str:
    return _(
        "%(amount)s is %(ratio)s times this user's usual %(mean)s, the mean of %(payments)s payments in %(days)s days."
    ) % {
        "amount": money(values["amount"], currency),
        "ratio": plain(values["ratio"]),
        "mean": plain(values["mean"], 2),
        "payments": count(values["payments"]),
        "days": count(values["days"]),
    }


def spreads(values: Numbers, currency: str) -> str:
    return _(
        "%(amount)s lies %(times)s usual deviations from this user's mean of %(mean)s, "
        "from %(payments)s payments in %(days)s days."
    ) % {
        "amount": money(values["amount"], currency),
        "times": plain(abs(values["times"])),
        "mean": plain(values["mean"], 2),
        "payments": count(values["payments"]),
        "days": count(values["days"]),
    }


def in_population(values: Numbers, currency: str) -> str:
    numbers = {
        "amount": money(values["amount"], currency),
        "currency": currency,
        "percent": count(values["percent"]),
        "usual": plain(values["usual"], 2),
        "ratio": plain(values["ratio"]),
        "one_in": count(values["one_in"]),
    }
    if values["amount"] > values["usual"]:
        return (
            _("%(amount)s is %(ratio)s times %(usual)s, which %(percent)s %% of payments in %(currency)s stay below.")
            % numbers
        )
    return _("One in %(one_in)s payments in %(currency)s is as large as %(amount)s.") % numbers


def at_merchant(values: Numbers, currency: str) -> str:
    return _(
        "%(amount)s is %(ratio)s times the usual %(usual)s of this merchant's last %(payments)s payments "
        "in %(currency)s, %(times)s usual deviations away."
    ) % {
        "amount": money(values["amount"], currency),
        "ratio": plain(values["ratio"]),
        "usual": plain(values["usual"], 2),
        "payments": count(values["payments"]),
        "currency": currency,
        "times": plain(abs(values["times"])),
    }


def surge(values: Numbers, currency: str) -> str:
    return _(
        "%(count)s payments in %(currency)s at this merchant in the last %(window)s, by all its customers; "
        "its usual rate would give %(usual)s."
    ) % {
        "count": count(values["count"]),
        "currency": currency,
        "window": window(values["hours"]),
        "usual": expectation(values["usual"]),
    }


def departures(values: Numbers, currency: str) -> str:
    return ngettext(
        "Like this one, %(count)s payment of others in %(currency)s at this merchant in the last %(days)s days was "
        "unlike who paid, by its hour or its amount; its usual rate would give %(usual)s.",
        "Like this one, %(count)s payments of others in %(currency)s at this merchant in the last %(days)s days were "
        "unlike who paid, by their hour or their amount; its usual rate would give %(usual)s.",
        int(values["count"]),
    ) % {
        "count": count(values["count"]),
        "currency": currency,
        "days": count(values["days"]),
        "usual": expectation(values["usual"]),
    }


def charged_again(values: Numbers, currency: str) -> str:
    if not values["same"]:
        return _("This merchant has not charged the same amount in the hour before.")
    return ngettext(
        "The same merchant charged %(amount)s %(minutes)s minutes before; it was %(same)s of this user's last "
        "%(payments)s payments, which usually come %(usual)s hours apart.",
        "The same merchant charged %(amount)s %(minutes)s minutes before; such charges were %(same)s of this user's "
        "last %(payments)s payments, which usually come %(usual)s hours apart.",
        int(values["same"]),
    ) % {
        "amount": money(values["amount"], currency),
        "minutes": plain(values["minutes"]),
        "same": count(values["same"]),
        "payments": count(values["payments"]),
        "usual": plain(values["usual_minutes"] / 60),
    }


def excess(values: Numbers, currency: str) -> str:
    large = int(values["large"])
    if large == 0:
        text = _(
            "%(amount)s differs by %(above)s from this user's median of %(median)s, "
            "and no other payment of the last %(days)s days was large."
        )
    else:
        text = ngettext(
            "%(large)s other payment of the last %(days)s days was above three times the median of %(median)s, "
            "by %(excess)s.",
            "%(large)s other payments of the last %(days)s days were above three times the median of %(median)s, "
            "by %(excess)s together.",
            large,
        )
    return text % {
        "amount": money(values["amount"], currency),
        "above": plain(abs(values["above"]), 2),
        "days": count(values["days"]),
        "large": large,
        "median": plain(values["median"], 2),
        "excess": money(values["excess"], currency),
    }


def spend(values: Numbers, currency: str) -> str:
    return _("The last %(days)s days come to %(spend)s with this payment, %(ratio)s times the usual %(usual)s.") % {
        "days": count(values["days"]),
        "spend": money(values["spend"], currency),
        "ratio": plain(values["ratio"]),
        "usual": plain(values["usual"], 2),
    }


def large_burst(values: Numbers, _currency: str) -> str:
    return ngettext(
        "%(large)s payment of the last %(days)s days with this one is above three times this user's median; "
        "%(usual)s would be usual.",
        "%(large)s payments of the last %(days)s days with this one are above three times this user's median; "
        "%(usual)s would be usual.",
        int(values["large"]),
    ) % {"large": count(values["large"]), "days": count(values["days"]), "usual": expectation(values["usual"])}


def burst(values: Numbers, _currency: str) -> str:
    return ngettext(
        "%(count)s other payment in the last %(window)s; this user's usual rate would give %(usual)s.",
        "%(count)s other payments in the last %(window)s; this user's usual rate would give %(usual)s.",
        int(values["count"]),
    ) % {"count": count(values["count"]), "window": window(values["hours"]), "usual": expectation(values["usual"])}


def failures(values: Numbers, _currency: str) -> str:
    return _("%(failed)s of %(payments)s payments in the last %(window)s failed; %(usual)s would be usual.") % {
        "failed": count(values["failed"]),
        "payments": count(values["payments"]),
        "window": window(values["hours"]),
        "usual": expectation(values["usual"]),
    }


def long_silence(values: Numbers, _currency: str) -> str:
    return _("The first payment after %(days)s days; this user usually pays every %(usual)s days.") % {
        "days": plain(values["days"]),
        "usual": plain(values["usual"]),
    }


def left_merchant(values: Numbers, currency: str) -> str:
    return _(
        "Nobody paid this merchant in %(currency)s in the %(pause)s before; "
        "half of all payments come within %(usual)s of their merchant's last one."
    ) % {"currency": currency, "pause": pause(values["days"]), "usual": pause(values["usual"])}


def unusual_hour(values: Numbers, _currency: str) -> str:
    return _(
        "Between %(hour)s:00 and %(hour)s:59 UTC fall %(share)s %% of this user's payments, "
        "judged by the last %(payments)s and by all users' hours."
    ) % {
        "hour": f"{int(values['hour']):02d}",
        "share": plain(100 * values["share"]),
        "payments": count(values["payments"]),
    }


def odd_hours(values: Numbers, _currency: str) -> str:
    if not values["odd"]:
        return _("No payment of the last %(window)s was at an hour at which this user hardly ever pays.") % {
            "window": window(values["hours"])
        }
    return ngettext(
        "%(odd)s payment of the last %(window)s with this one was at an hour at which this user hardly ever pays; "
        "%(usual)s would be usual.",
        "%(odd)s payments of the last %(window)s with this one were at hours at which this user hardly ever pays; "
        "%(usual)s would be usual.",
        int(values["odd"]),
    ) % {"odd": count(values["odd"]), "window": window(values["hours"]), "usual": expectation(values["usual"])}


def rare_share(values: Numbers) -> dict[str, str]:
    """How many payments are like this one, as both sentences about a histogram say it."""
    one_in = min(values["one_in"], values["seen"])
    return {
        "rare": (_("one in %(count)s") if one_in < values["seen"] else _("fewer than one in %(count)s"))
        % {"count": count(one_in)},
        "usual": count(max(values["usual"], 1)),
    }


def amount_at_hour(values: Numbers, currency: str) -> str:
    return _(
        "Of all payments in %(currency)s, %(rare)s is of about %(amount)s at about %(hour)s:00 UTC; "
        "of a usual payment's amount and hour it is one in %(usual)s."
    ) % {
        **rare_share(values),
        "amount": money(values["amount"], currency),
        "currency": currency,
        "hour": f"{int(values['hour']):02d}",
    }


def amount_in_category(values: Numbers, currency: str) -> str:
    return _(
        "Of all payments in %(currency)s, %(rare)s is of about %(amount)s in this category; "
        "of a usual payment's amount and category it is one in %(usual)s."
    ) % {**rare_share(values), "amount": money(values["amount"], currency), "currency": currency}


def new_merchant(values: Numbers, _currency: str) -> str:
    if not values["new"]:
        return _("This user has paid this merchant before.")
    return _(
        "First payment to this merchant in %(payments)s payments; this user turns to a new one once in %(once_in)s."
    ) % novel(values)


def new_category(values: Numbers, _currency: str) -> str:
    if not values["new"]:
        return _("This user has paid in this category before.")
    return _(
        "First payment in this category in %(payments)s payments; this user turns to a new one once in %(once_in)s."
    ) % novel(values)


def new_country(values: Numbers, _currency: str) -> str:
    if not values["new"]:
        return _("This user has paid in this country before.")
    return _(
        "Not one of this user's %(payments)s payments up to a day before was in this country; "
        "one in %(once_in)s is in a new one."
    ) % novel(values)


def new_device(values: Numbers, _currency: str) -> str:
    if not values["new"]:
        return _("This user has paid from this device before.")
    return _(
        "Not one of this user's %(payments)s payments up to a day before was from this device; "
        "one in %(once_in)s is from a new one."
    ) % novel(values)


def new_currency(values: Numbers, currency: str) -> str:
    if not values["new"]:
        return _("This user has paid in %(currency)s before.") % {"currency": currency}
    return _(
        "Not one of this user's %(payments)s payments up to a day before was in %(currency)s; "
        "one in %(once_in)s is in a new currency."
    ) % {**novel(values), "currency": currency}


def novel(values: Numbers) -> dict[str, str]:
    return {"payments": count(values["payments"]), "once_in": plain(values["once_in"])}


SENTENCES: dict[str, Callable[[Numbers, str], str]] = {
    "amount_over_median": over_median,
    "amount_deviations": deviations,
    "amount_over_mean": over_mean,
    "amount_spreads": spreads,
    "amount_in_population": in_population,
    "amount_at_merchant": at_merchant,
    "renewed_excess": excess,
    "excess_14d": excess,
    "spend_over_usual": spend,
    "large_burst": large_burst,
    "burst_1h": burst,
    "burst_1d": burst,
    "burst_7d": burst,
    "failures_1d": failures,
    "hour_unusual": unusual_hour,
    "odd_hours": odd_hours,
    "silence_over_usual": long_silence,
    "merchant_silence": left_merchant,
    "amount_at_hour": amount_at_hour,
    "amount_in_category": amount_in_category,
    "new_merchant": new_merchant,
    "new_category": new_category,
    "new_country": new_country,
    "new_device": new_device,
    "new_currency": new_currency,
    "charged_again": charged_again,
    "surge_1d": surge,
    "surge_7d": surge,
    "departures_14d": departures,
}
