"""The declared shapes of webhook endpoints and deliveries, their rows, and what their lists can be asked for."""

from typing import Any
from uuid import UUID

from django_filters import FilterSet
from rest_framework import serializers

from anomalies.api.filtering import StrictFilter
from anomalies.api.listing import Column, Listing, Ordering
from anomalies.api.parameters import OneOfField, UUIDField, instant
from anomalies.api.serializers import InstantField, StrictSerializer
from anomalies.webhooks.endpoints import KINDS
from anomalies.webhooks.models import WebhookDelivery
from anomalies.webhooks.targets import URL_CHARACTERS

NEWEST = Ordering((Column("created_at", instant, descending=True), Column("id", UUID)))


def endpoint(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "disabled_reason": row["disabled_reason"] or None}


def delivery(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "error": row["error"] or None}


WEBHOOKS = Listing(
    table="webhook_endpoints",
    columns=(
        "id",
        "url",
        "description",
        "events",
        "enabled",
        "disabled_reason",
        "failures",
        "failing_since",
        "created_at",
    ),
    expressions={"events": "kinds"},
    orderings={"newest": NEWEST},
    present=endpoint,
    countable=False,
)
DELIVERIES = Listing(
    table="webhook_deliveries",
    columns=(
        "id",
        "endpoint_id",
        "event_id",
        "event",
        "user_id",
        "state",
        "attempts",
        "status",
        "duration_ms",
        "error",
        "next_try_at",
        "created_at",
        "finished_at",
    ),
    expressions={"event": "kind"},
    orderings={"newest": NEWEST},
    present=delivery,
)


class NullIfEmpty(serializers.CharField):
    """A text: null while there is none, which the database keeps as an empty one."""

    def get_attribute(self, instance: Any) -> Any:
        return super().get_attribute(instance) or None


class WebhookSerializer(serializers.Serializer[Any]):
    """Where chosen events are posted to."""

    id = serializers.UUIDField()
    url = serializers.CharField()
    description = serializers.CharField(allow_blank=True)
    events = serializers.ListField(child=serializers.ChoiceField(KINDS), source="kinds")
    enabled = serializers.BooleanField()
    disabled_reason = NullIfEmpty(allow_null=True, help_text="Why the server disabled it.")
    failures = serializers.IntegerField(help_text="In a row.")
    failing_since = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()


class WebhookWithSecretSerializer(WebhookSerializer):
    """An endpoint with the secret that its messages are signed with: shown this once."""

    secret = serializers.CharField(help_text="`whsec_` and 32 random bytes in base 64.")


class FlagField(serializers.BooleanField):
    """true or false; DRF would take "yes" as well."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return bool(data)


class ChangedWebhookSerializer(StrictSerializer):
    """What of an endpoint can be changed."""

    url = serializers.CharField(required=False, max_length=URL_CHARACTERS, help_text="https, at a public address.")
    events = serializers.ListField(
        child=serializers.ChoiceField(KINDS), required=False, allow_empty=False, min_length=1, source="kinds"
    )
    description = serializers.CharField(required=False, allow_blank=True, max_length=200)
    enabled = FlagField(required=False, help_text="What happens while it is disabled is not sent later.")


class NewWebhookSerializer(ChangedWebhookSerializer):
    """An endpoint as it is sent in."""

    url = serializers.CharField(max_length=URL_CHARACTERS, help_text="https, at a public address.")
    events = serializers.ListField(
        child=serializers.ChoiceField(KINDS), allow_empty=False, min_length=1, source="kinds"
    )


class WebhookAnswerSerializer(serializers.Serializer[Any]):
    """What came back."""

    taken = serializers.BooleanField(help_text="Whether it was a 2xx.")
    status = serializers.IntegerField(allow_null=True, help_text="Null where nothing came back.")
    duration_ms = serializers.IntegerField()
    error = serializers.CharField(allow_null=True)


class SinceSerializer(StrictSerializer):
    """From when on deliveries that were given up are sent again; all without it."""

    since = InstantField(required=False)


class ReplayedSerializer(serializers.Serializer[Any]):
    """How many deliveries are sent again."""

    deliveries = serializers.IntegerField()


class WebhookDeliverySerializer(serializers.Serializer[Any]):
    """An event on its way to an endpoint."""

    id = serializers.UUIDField()
    endpoint_id = serializers.UUIDField()
    event_id = serializers.UUIDField(help_text="The message's `webhook-id` without `evt_`.")
    event = serializers.ChoiceField(KINDS, source="kind")
    user_id = serializers.UUIDField(allow_null=True)
    state = serializers.ChoiceField(WebhookDelivery.State.values)
    attempts = serializers.IntegerField()
    status = serializers.IntegerField(allow_null=True, help_text="The last answer.")
    duration_ms = serializers.IntegerField(allow_null=True)
    error = NullIfEmpty(allow_null=True)
    next_try_at = serializers.DateTimeField(
        allow_null=True, help_text="Null when it has ended, and while an earlier event of the user waits."
    )
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)


class WebhookFilters(FilterSet):  # type: ignore[misc]
    """None: there are few."""


class WebhookDeliveryFilters(FilterSet):  # type: ignore[misc]
    endpoint_id = StrictFilter(UUIDField, "endpoint", help_text="To this endpoint.")
    state = StrictFilter(OneOfField, options=WebhookDelivery.State.values, help_text="In this state.")
