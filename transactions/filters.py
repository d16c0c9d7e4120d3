"""What the lists of transactions and users can be asked for."""

from django_filters import FilterSet

from anomalies.api.filtering import StrictFilter
from anomalies.api.parameters import AmountField, StatusField
from anomalies.filters import OfPayments


class TransactionFilters(OfPayments):
    min_amount = StrictFilter(AmountField, "amount", "gte", help_text="Of this amount or more.")
    max_amount = StrictFilter(AmountField, "amount", "lte", help_text="Of this amount or less.")
    status = StrictFilter(StatusField, help_text="With exactly this status.")


class UserFilters(FilterSet):  # type: ignore[misc]
    """None: users are walked, not searched."""
