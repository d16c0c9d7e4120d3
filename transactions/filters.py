"""What a list of transactions can be asked for."""

from anomalies.api.parameters import (
    AMOUNT_SCHEMA,
    Parameter,
    amount,
    dates,
    of_currency,
    of_user,
    plain_text,
    status,
)

STATUS_SCHEMA = {"type": "string", "pattern": "^[a-z][a-z0-9_]{0,31}$"}

FILTERS = (
    of_user(),
    *dates("txn_date"),
    Parameter("min_amount", amount, "amount >= %s", AMOUNT_SCHEMA, "Of this amount or more."),
    Parameter("max_amount", amount, "amount <= %s", AMOUNT_SCHEMA, "Of this amount or less."),
    of_currency(),
    Parameter("status", status, "status = %s", STATUS_SCHEMA, "With exactly this status."),
    Parameter("merchant_id", plain_text, "merchant_id = %s", {"type": "string"}, "At this merchant."),
)
