"""The declared shapes of transactions and users: the schema's source, and what the lean lists are tested against."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from anomalies.api.serializers import LEVELS, AmountField, CaseSerializer, ScoreSerializer
from transactions.models import Transaction

NEW_AMOUNT = {
    "anyOf": [
        {"type": "string", "pattern": r"^(0|[1-9]\d{0,17})(\.\d{1,2})?$", "examples": ["12.50"]},
        {"type": "number", "minimum": 0, "exclusiveMaximum": 10**18, "multipleOf": 0.01},
    ]
}


@extend_schema_field(NEW_AMOUNT)
class NewAmountField(AmountField):
    """Money as it is sent in."""


class TransactionSerializer(serializers.ModelSerializer[Transaction]):
    """A stored transaction."""

    amount = AmountField()
    meta_data = serializers.DictField()
    merchant_id = serializers.CharField(allow_null=True, help_text="Taken from meta_data.")

    class Meta:
        model = Transaction
        fields = (
            "id",
            "user_id",
            "amount",
            "currency",
            "txn_date",
            "status",
            "meta_data",
            "merchant_id",
            "received_at",
        )
        read_only_fields = fields


class NewTransactionSerializer(serializers.Serializer[Any]):
    """A transaction as it is sent in. The law itself is `transactions.rows`."""

    id = serializers.UUIDField(
        required=False, help_text="Your own; makes a repeated create harmless. Else we make one."
    )
    user_id = serializers.UUIDField()
    amount = NewAmountField(help_text="In units of the currency. As a string, or as a number that is read exactly.")
    currency = serializers.RegexField(r"^[A-Z]{3}$", help_text="ISO 4217 alphabetic code.")
    txn_date = serializers.DateTimeField(help_text="RFC 3339 with an offset, from 1970 to 24 hours ahead.")
    status = serializers.RegexField(r"^[a-z][a-z0-9_]{0,31}$")
    meta_data = serializers.DictField(
        required=False, help_text="At most 16 KiB and 16 levels. `merchant_id` in it, a text, names the merchant."
    )


class ScoredTransactionSerializer(TransactionSerializer, ScoreSerializer):
    """A stored transaction, and what scoring says of it."""

    class Meta(TransactionSerializer.Meta):
        fields = (*TransactionSerializer.Meta.fields, *ScoreSerializer().fields)
        read_only_fields = fields


class ExplanationSerializer(ScoreSerializer):
    """What scoring says of a stored transaction, computed from what was known when it happened."""

    transaction_id = serializers.UUIDField()
    features = serializers.DictField(child=serializers.FloatField(), help_text="Unknown ones are missing.")


class UserSerializer(serializers.Serializer[Any]):
    """A user with transactions."""

    user_id = serializers.UUIDField()
    first_seen = serializers.DateTimeField(help_text="The time of the earliest transaction.")
    last_seen = serializers.DateTimeField(help_text="The time of the latest transaction.")
    open_case_id = serializers.UUIDField(allow_null=True)


class CurrencySummarySerializer(serializers.Serializer[Any]):
    """The user's latest payments in one currency."""

    currency = serializers.CharField()
    payments = serializers.IntegerField(help_text="Among the user's latest 1,000.")
    typical_amount = AmountField(help_text="Their median.")
    largest_amount = AmountField()


class OrdinaryAmountsSerializer(serializers.Serializer[Any]):
    """What the user ordinarily pays in one currency."""

    currency = serializers.CharField()
    payments = serializers.IntegerField()
    typical_amount = AmountField(help_text="Their median, rounded to hundredths.")
    high_amount = AmountField(help_text="Nine in ten payments are at most this.")


class UsualMerchantSerializer(serializers.Serializer[Any]):
    """A merchant of the user."""

    merchant_id = serializers.CharField()
    payments = serializers.IntegerField()


class ProfileSerializer(serializers.Serializer[Any]):
    """What the user ordinarily does, by the latest 200 payments. It describes, and takes no part in scoring."""

    payments = serializers.IntegerField(help_text="How many were looked at.")
    since = serializers.DateTimeField(help_text="The time of the earliest of them.")
    every_s = serializers.FloatField(help_text="Seconds from one payment to the next, on average.")
    from_hour = serializers.IntegerField(help_text="Where the shortest run of hours (UTC) with 80 % of them begins.")
    to_hour = serializers.IntegerField(help_text="The end of that run's last hour, 1 to 24; it may go past midnight.")
    amounts = OrdinaryAmountsSerializer(
        many=True, help_text="Of each currency with at least 8 of them, the most used first."
    )
    merchants = UsualMerchantSerializer(many=True, help_text="The three most visited.")
    merchant_count = serializers.IntegerField()


class RecentScoreSerializer(serializers.Serializer[Any]):
    """A transaction's score, high or low."""

    transaction_id = serializers.UUIDField()
    txn_date = serializers.DateTimeField()
    score = serializers.FloatField(
        allow_null=True, help_text="0 to 100: 20 log10 of the rarity. Null: nothing was known of what is normal."
    )
    level = serializers.ChoiceField(LEVELS, allow_null=True)


class UserSummarySerializer(serializers.Serializer[Any]):
    """A user in a few numbers."""

    user_id = serializers.UUIDField()
    first_seen = serializers.DateTimeField()
    last_seen = serializers.DateTimeField()
    transaction_count = serializers.IntegerField(help_text="Counted up to 10,000.")
    count_is_exact = serializers.BooleanField(help_text="False: there are more than that.")
    currencies = CurrencySummarySerializer(many=True, help_text="The most used first.")
    anomaly_count = serializers.IntegerField()
    open_case = CaseSerializer(allow_null=True)
    profile = ProfileSerializer(allow_null=True, help_text="Null: fewer than 8 payments say nothing.")
    recent_scores = RecentScoreSerializer(
        many=True,
        help_text=(
            "Of the latest 20 transactions, newest first, flagged or not. Computed anew with each request, from what "
            "was known when each happened: what their explanations say. An anomaly keeps the score that it was found "
            "with."
        ),
    )
