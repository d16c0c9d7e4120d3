"""What the lists of anomalies, cases and verdicts can be asked for."""

from math import nextafter
from typing import Any

from django_filters import FilterSet

from anomalies.api.filtering import StrictFilter
from anomalies.api.parameters import (
    CurrencyField,
    EarliestField,
    LatestField,
    OneOfField,
    ScoreField,
    TextField,
    UUIDField,
)
from anomalies.models import Case, Verdict

# From the first score of a level to its last: the largest number below the next level.
SCORES_OF_LEVEL = {"low": (40.0, nextafter(60.0, 0)), "medium": (60.0, nextafter(80.0, 0)), "high": (80.0, 100.0)}
NOT_CLOSED = [Case.State.OPEN.value, Case.State.CLAIMED.value]
VERDICTS = [*Verdict.Value.values, Verdict.WITHDRAWN]
STATES = {"active": NOT_CLOSED, **{state: [state] for state in Case.State.values}, "all": list(Case.State.values)}


class LevelField(OneOfField):
    """A level, read as the scores from and to which it goes."""

    def __init__(self, **more: Any) -> None:
        super().__init__(options=list(SCORES_OF_LEVEL), **more)

    def to_python(self, value: Any) -> tuple[float, float]:
        return SCORES_OF_LEVEL[super().to_python(value)]


class StateField(OneOfField):
    """A name for some states of a case, read as these."""

    def __init__(self, **more: Any) -> None:
        super().__init__(options=list(STATES), **more)

    def to_python(self, value: Any) -> list[str]:
        return STATES[super().to_python(value)]


class OfUser(FilterSet):  # type: ignore[misc]
    user_id = StrictFilter(UUIDField, help_text="Rows of this user.")


class OfPayments(OfUser):
    """What every list of payments can be asked for."""

    from_date = StrictFilter(EarliestField, "txn_date", "gte", help_text="At or after this time or day (UTC).")
    to_date = StrictFilter(
        LatestField, "txn_date", "lte", help_text="At or before this time, or in or before this day (UTC)."
    )
    currency = StrictFilter(CurrencyField, help_text="ISO 4217 code.")
    merchant_id = StrictFilter(TextField, help_text="At this merchant.")


class AnomalyFilters(OfPayments):
    min_score = StrictFilter(ScoreField, "score", "gte", help_text="With this score or more.")
    level = StrictFilter(LevelField, "score", "range", help_text="Of exactly this level.")
    case = StrictFilter(UUIDField, help_text="In this case.")


class CaseFilters(OfUser):
    state = StrictFilter(
        StateField, lookup_expr="in", initial="active", help_text="In this state; `active` means not closed."
    )


class VerdictFilters(OfUser):
    transaction_id = StrictFilter(UUIDField, "transaction", help_text="On this transaction.")
    value = StrictFilter(OneOfField, options=VERDICTS, help_text="Of this kind.")
