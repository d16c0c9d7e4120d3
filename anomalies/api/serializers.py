"""The declared shapes of anomalies, cases and verdicts: the schema's source, what the lean lists are tested against,
and the rule for what is sent in.
"""

from datetime import datetime
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail

import scoring
from anomalies.api.explanations import told
from anomalies.api.parameters import Unreadable, instant
from anomalies.api.problems import pointer
from anomalies.models import Case, Verdict
from anomalies.verdicts import NOTE_CHARACTERS, SOURCE_CHARACTERS

GIVEN_VERDICTS = [*Verdict.Value.choices, (Verdict.WITHDRAWN, "Withdrawn")]
LEVELS = ("normal", "low", "medium", "high")


@extend_schema_field({"type": "string", "pattern": r"^\d{1,18}\.\d{2}$", "examples": ["12.50"]})
class AmountField(serializers.DecimalField):
    """Money as it is answered: a string of two decimals."""

    def __init__(self, **more: Any) -> None:
        super().__init__(max_digits=20, decimal_places=2, **more)


class ReasonSerializer(serializers.Serializer[Any]):
    """One part of a score. The contributions of all reasons add up to `raw`."""

    code = serializers.CharField(help_text="The evidence that weighs most in the group.")
    group = serializers.CharField()
    contribution = serializers.FloatField(help_text="Its part of `raw`, in decades of surprise.")
    observed = serializers.FloatField()
    expected = serializers.FloatField()
    values = serializers.DictField(child=serializers.FloatField(), help_text="The numbers behind the sentence.")
    sentence = serializers.CharField(help_text="The same in words.")


class ToldReasons(serializers.ListSerializer[Any]):
    """The reasons of an anomaly, each with its sentence."""

    def get_attribute(self, instance: Any) -> Any:
        return told(instance.reasons, instance.currency)


class LevelField(serializers.ChoiceField):
    """The level of a score."""

    def to_representation(self, value: Any) -> str:
        return scoring.level(value)


class OutcomeField(serializers.ChoiceField):
    """The outcome of a case: null while there is none, which the database keeps as an empty text."""

    def get_attribute(self, instance: Any) -> Any:
        return super().get_attribute(instance) or None


class UnscoredSerializer(serializers.Serializer[Any]):
    """Why there is no score."""

    code = serializers.CharField()
    detail = serializers.CharField()


class ScoreSerializer(serializers.Serializer[Any]):
    """What scoring says of a transaction."""

    score = serializers.FloatField(allow_null=True, help_text="0 to 100: 20 log10 of the rarity. Null: see `unscored`.")
    rarity = serializers.FloatField(allow_null=True, help_text="One in so many transactions is as strange.")
    level = serializers.ChoiceField(LEVELS, allow_null=True)
    raw = serializers.FloatField(allow_null=True)
    reasons = ReasonSerializer(many=True, help_text="The weightiest first.")
    unscored = UnscoredSerializer(allow_null=True)
    reference_id = serializers.UUIDField(allow_null=True, help_text="What it was measured against.")
    model_version_id = serializers.UUIDField(allow_null=True)


class AnomalySerializer(serializers.Serializer[Any]):
    """A transaction whose score reached the floor, with a snapshot of it."""

    transaction_id = serializers.UUIDField()
    user_id = serializers.UUIDField()
    amount = AmountField()
    currency = serializers.CharField(max_length=3)
    txn_date = serializers.DateTimeField()
    status = serializers.CharField(max_length=32)
    merchant_id = serializers.CharField(allow_null=True)
    score = serializers.FloatField(help_text="0 to 100: 20 log10 of the rarity.")
    rarity = serializers.FloatField(help_text="One in so many transactions is as strange.")
    level = LevelField(LEVELS, source="score")
    raw = serializers.FloatField()
    reasons = ToldReasons(child=ReasonSerializer(), help_text="The weightiest first.")
    case_id = serializers.UUIDField(allow_null=True)
    reference_id = serializers.UUIDField()
    model_version_id = serializers.UUIDField()
    found_at = serializers.DateTimeField()


class AnomalyDetailSerializer(AnomalySerializer):
    """An anomaly with the feature values that it was scored by."""

    features = serializers.DictField(child=serializers.FloatField(), help_text="Unknown ones are missing.")


class CaseSerializer(serializers.Serializer[Any]):
    """One user's anomalies, reviewed together."""

    id = serializers.UUIDField()
    user_id = serializers.UUIDField()
    state = serializers.ChoiceField(Case.State.choices)
    priority = serializers.FloatField(help_text="The highest score among its anomalies.")
    anomaly_count = serializers.IntegerField()
    opened_at = serializers.DateTimeField()
    latest_at = serializers.DateTimeField(help_text="The time of its latest transaction.")
    assignee = serializers.CharField(
        source="assignee.username", allow_null=True, help_text="User name of whoever works on it."
    )
    outcome = OutcomeField(Case.Outcome.choices, allow_null=True)
    closed_at = serializers.DateTimeField(allow_null=True)


class CaseDetailSerializer(CaseSerializer):
    """A case with its anomalies, newest first: at most 100 of them, all of them under `anomalies/?case=`."""

    anomalies = AnomalySerializer(many=True)


class VerdictSerializer(serializers.Serializer[Any]):
    """What somebody said about a transaction."""

    id = serializers.UUIDField()
    transaction_id = serializers.UUIDField()
    user_id = serializers.UUIDField()
    value = serializers.ChoiceField(
        GIVEN_VERDICTS, help_text="`withdrawn` takes back the verdict before it: the transaction has none then."
    )
    source = serializers.CharField()  # type: ignore[assignment]
    author = serializers.CharField(source="author.username", allow_null=True, help_text="User name.")
    note = serializers.CharField(allow_blank=True)
    known_at = serializers.DateTimeField(help_text="It counts from then on.")


class InstantField(serializers.DateTimeField):
    """A time with an offset; DRF would read one without as UTC."""

    def to_internal_value(self, value: Any) -> datetime:
        try:
            return instant(value if isinstance(value, str) else "")
        except Unreadable as fault:
            raise serializers.ValidationError(f"This {fault}.", code="not_a_time") from None


class TextField(serializers.CharField):
    """A text; DRF would take a number for one."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        text: str = super().to_internal_value(data)
        return text


class PrintableField(TextField):
    """A text for lists and logs, in which nothing hides."""

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        if not text.isprintable():
            raise serializers.ValidationError("This has characters that cannot be printed.", code="not_printable")
        return text


class StrictSerializer(serializers.Serializer[Any]):
    """Refuses fields that it does not know; DRF would ignore them."""

    def to_internal_value(self, data: Any) -> Any:
        unknown = sorted(data.keys() - self.fields.keys())
        if unknown:
            detail = ErrorDetail(f"The fields are {', '.join(self.fields)}.", code="unknown_field")
            raise serializers.ValidationError({pointer(name)[1:]: [detail] for name in unknown})
        return super().to_internal_value(data)


class NewVerdictSerializer(StrictSerializer):
    """A verdict as it is sent in."""

    transaction_id = serializers.UUIDField()
    value = serializers.ChoiceField(Verdict.Value.choices)
    note = TextField(required=False, allow_blank=True, max_length=NOTE_CHARACTERS)
    source = PrintableField(required=False, max_length=SOURCE_CHARACTERS)  # type: ignore[assignment]
    known_at = InstantField(required=False)

    def validate_known_at(self, known_at: datetime) -> datetime:
        if known_at > timezone.now():
            raise serializers.ValidationError("This is in the future.", code="in_the_future")
        return known_at
