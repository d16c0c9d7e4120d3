"""Every list answers what its viewset declares: FilterSet and serializer are run as they stand, beside the list."""

import math
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

import orjson
import pytest
from django.test import Client
from django.utils import timezone
from django_filters import FilterSet

from anomalies.api.views import AnomalyViewSet, CaseViewSet, VerdictViewSet
from anomalies.api.webhooks import WebhookDeliveryViewSet, WebhookViewSet
from anomalies.webhooks import endpoints
from anomalies.webhooks.models import WebhookDelivery, WebhookEndpoint
from tests.api import BASE, faults, reader, results
from tests.factories import START, AnalystFactory, AnomalyFactory, CaseFactory, TransactionFactory, VerdictFactory
from transactions.api.users import UserViewSet
from transactions.api.views import TransactionViewSet

VIEWSETS: dict[str, Any] = {
    "transactions": TransactionViewSet,
    "anomalies": AnomalyViewSet,
    "cases": CaseViewSet,
    "verdicts": VerdictViewSet,
    "users": UserViewSet,
    "webhooks": WebhookViewSet,
    "webhook-deliveries": WebhookDeliveryViewSet,
}
USERS = [UUID(int=number) for number in (1, 2, 3)]
PAYMENT = UUID(int=77)
CASE = UUID(int=99)
ENDPOINT = UUID(int=55)
REASON = {"code": "amount_over_median", "group": "own_amount", "contribution": 3.25, "observed": 9.0, "expected": 1.0}
VALUES = {"amount": 9.0, "median": 1.0, "deviation": 1.0, "payments": 9.0, "ratio": 9.0, "times": 8.0}
BELOW_60 = math.nextafter(60.0, 0)
# Values that keep some of the rows made below, but not all.
GOOD = {
    "transactions": {
        "user_id": [str(USERS[0]), USERS[1].hex],
        "from_date": ["2024-06-02", "2024-06-01T14:00:00.000001+02:00"],
        "to_date": ["2024-06-02", "2024-06-01T12:00:00Z"],
        "min_amount": ["20", "20.01"],
        "max_amount": ["20", "19.999"],
        "currency": ["USD"],
        "status": ["failed"],
        "merchant_id": ["m & ü"],
    },
    "anomalies": {
        "user_id": [str(USERS[0])],
        "from_date": ["2024-06-02"],
        "to_date": ["2024-06-02"],
        "min_score": ["60", "59.9999999999"],
        "level": ["low", "medium", "high"],
        "currency": ["USD"],
        "merchant_id": ["m & ü"],
        "case": [str(CASE)],
    },
    "cases": {"state": ["active", "open", "claimed", "closed"], "user_id": [str(USERS[0])]},
    "verdicts": {"user_id": [str(USERS[0])], "transaction_id": [str(PAYMENT)], "value": ["fraud", "expected"]},
    "users": {},
    "webhooks": {},
    "webhook-deliveries": {"endpoint_id": [str(ENDPOINT)], "state": ["waiting", "delivered", "dead"]},
}
# More than one at once, and the one that keeps all.
SEVERAL = [
    (
        "transactions",
        {"user_id": str(USERS[0]), "from_date": "2024-06-01", "to_date": "2024-06-02", "max_amount": "20"},
    ),
    ("anomalies", {"level": "low", "from_date": "2024-06-02"}),
    ("cases", {"state": "all"}),
]
UNREADABLE = ("", "\0", "x" * 300, "é", " 1", "-1")


class Asked(NamedTuple):
    list: str
    parameters: dict[str, str]


def singly() -> list[Asked]:
    return [
        Asked(name, {parameter: value})
        for name, parameters in GOOD.items()
        for parameter, values in parameters.items()
        for value in values
    ]


@pytest.fixture
def client() -> Client:
    """The reader of a server with a few of everything."""
    day, ada = timedelta(days=1), AnalystFactory(username="ada")
    case = CaseFactory(id=CASE, user_id=USERS[0], state="claimed", assignee=ada, priority=90.125)
    CaseFactory(user_id=USERS[1])
    CaseFactory(user_id=USERS[2], state="closed", outcome="expected", closed_at=timezone.now())
    for n, (user, currency, status, merchant, score) in enumerate(
        [
            (USERS[0], "EUR", "completed", {"merchant_id": "m & ü", "x": [1, None, "\u2028"]}, 40.0),
            (USERS[0], "USD", "failed", {}, BELOW_60),
            (USERS[1], "EUR", "completed", {"merchant_id": "m"}, 60.0),
            (USERS[2], "EUR", "completed", {"merchant_id": "m"}, 80.0),
        ]
    ):
        fields = {"user_id": user, "currency": currency, "status": status, "meta_data": merchant}
        row = TransactionFactory(txn_date=START + n * day, amount=10 * (n + 1), **fields)
        AnomalyFactory(transaction=row, score=score, reasons=[{**REASON, "values": VALUES}], case=None if n else case)
    VerdictFactory(transaction=TransactionFactory(id=PAYMENT, user_id=USERS[0], txn_date=START), author=ada)
    VerdictFactory(value="expected", note="ö", known_at=START)
    fill_webhooks(ada)
    return reader()


def fill_webhooks(owner: Any) -> None:
    """Endpoints with a delivery each, one of every state, and one that is disabled."""
    for n, state in enumerate([*WebhookDelivery.State.values, "waiting"]):
        one = endpoints.create(url=f"https://example.com/{n}", kinds=["case.opened", "case.closed"], owner=owner)
        if n == len(WebhookDelivery.State.values):
            WebhookEndpoint.objects.filter(pk=one.pk).update(id=ENDPOINT, enabled=False, disabled_reason="Gone.")
            one = WebhookEndpoint.objects.get(pk=ENDPOINT)
        told = {"event_id": UUID(int=n), "kind": "case.opened", "position": n, "give_up_at": START}
        WebhookDelivery.objects.create(endpoint=one, state=state, status=500 + n, error="5" * n, **told)


def declared(viewset: Any, parameters: dict[str, str]) -> Any:
    """What the viewset's queryset, FilterSet and serializer say, as JSON."""
    found = viewset.filterset_class(parameters, queryset=viewset.queryset)
    assert found.is_valid()
    return orjson.loads(orjson.dumps(viewset.serializer_class(found.qs, many=True).data))


def test_every_filter_of_every_list_is_a_declared_one_and_is_tried_here() -> None:
    for name, viewset in VIEWSETS.items():
        assert issubclass(viewset.filterset_class, FilterSet)
        assert viewset.filterset_class.base_filters.keys() == GOOD[name].keys()


@pytest.mark.django_db
@pytest.mark.parametrize(("name", "parameters"), [*((name, {}) for name in VIEWSETS), *singly(), *SEVERAL])
def test_a_list_is_what_its_queryset_filterset_and_serializer_declare(
    client: Client, name: str, parameters: dict[str, str]
) -> None:
    viewset = VIEWSETS[name]
    listed = results(client, f"{name}/", **parameters)
    assert listed == declared(viewset, parameters)


@pytest.mark.django_db
@pytest.mark.parametrize(("name", "parameters"), singly())
def test_a_value_tried_here_keeps_some_rows_and_not_all(client: Client, name: str, parameters: dict[str, str]) -> None:
    every = VIEWSETS[name].queryset.count()
    assert 0 < len(declared(VIEWSETS[name], parameters)) < every


@pytest.mark.django_db
@pytest.mark.parametrize(("name", "parameter"), [(name, parameter) for name in GOOD for parameter in GOOD[name]])
def test_what_a_list_refuses_its_filterset_refuses(name: str, parameter: str) -> None:
    refused = 0
    client = reader()
    for text in UNREADABLE:
        form = VIEWSETS[name].filterset_class({parameter: text}, queryset=VIEWSETS[name].queryset)
        response = client.get(f"{BASE}{name}/", {parameter: text})
        assert form.is_valid() == (response.status_code == 200)
        if not form.is_valid():
            assert faults(response) == [(parameter, "invalid")]
            refused += 1
    assert refused >= 3


@pytest.mark.django_db
def test_the_last_score_of_a_level_is_still_of_it(client: Client) -> None:
    (low,) = results(client, "anomalies/", level="low", from_date="2024-06-02")
    assert (low["level"], low["score"]) == ("low", BELOW_60)
