"""What the list of transactions can be asked for."""

from django_filters import FilterSet

from anomalies.api.filtering import StrictFilter
from anomalies.api.parameters import (
    AmountField,
    CurrencyField,
    EarliestField,
    LatestField,
    StatusField,
    TextField,
    UUIDField,
)


class TransactionFilters(FilterSet):  # type: ignore[misc]
    user_id = StrictFilter(UUIDField, help_text="Rows of this user.")
    from_date = StrictFilter(EarliestField, "txn_date", "gte", help_text="At or after this time or day (UTC).")
    to_date = StrictFilter(
        LatestField, "txn_date", "lte", help_text="At or before this time, or in or before this day (UTC)."
    )
    min_amount = StrictFilter(AmountField, "amount", "gte", help_text="Of this amount or more.")
    max_amount = StrictFilter(AmountField, "amount", "lte", help_text="Of this amount or less.")
    currency = StrictFilter(CurrencyField, help_text="ISO 4217 code.")
    status = StrictFilter(StatusField, help_text="With exactly this status.")
    merchant_id = StrictFilter(TextField, help_text="At this merchant.")


class UserFilters(FilterSet):  # type: ignore[misc]
    """None: users are walked, not searched."""
