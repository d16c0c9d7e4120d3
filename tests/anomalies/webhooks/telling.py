"""What happens, what is sent of it, and how time goes by."""

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID, uuid4

from django.db import transaction
from django.db.models import F

from anomalies import outbox
from anomalies.webhooks import courier, endpoints
from anomalies.webhooks.models import WebhookDelivery, WebhookEndpoint
from tests.anomalies.receivers import Taken
from tests.factories import AnalystFactory

USER = UUID(int=1)


def endpoint(url: str, *kinds: str) -> WebhookEndpoint:
    return endpoints.create(url=url, kinds=kinds or ("anomaly.created",), owner=AnalystFactory())


def tell(*numbers: int, user: UUID | None = USER, kind: str = "anomaly.created") -> None:
    with transaction.atomic():
        for number in numbers:
            outbox.emit(kind, user_id=user, subject=uuid4(), body={"number": number})


def send() -> None:
    """Send what is due now."""
    courier.deliver_due()


def succeed() -> None:
    """Tell of somebody else, which arrives: an endpoint at which nothing does is disabled in the end."""
    tell(99, user=UUID(int=99))
    send()


def later(**span: float) -> None:
    """Let this time go by, as far as deliveries and endpoints know."""
    by = timedelta(**span)
    times = ("next_try_at", "give_up_at", "created_at", "finished_at")
    WebhookDelivery.objects.update(**{name: F(name) - by for name in times})
    WebhookEndpoint.objects.update(**{name: F(name) - by for name in ("wait_until", "failing_since")})


def failing(*numbers: int, status: int = 500) -> Callable[[Taken], int]:
    """Fails the messages with these numbers, or all."""
    return lambda taken: status if not numbers or taken.content["data"]["number"] in numbers else 200


def states() -> list[str]:
    return list(WebhookDelivery.objects.order_by("position").values_list("state", flat=True))
