"""`manage.py model` and the list of models in the admin: what they say, do and refuse."""

import io
import json
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from anomalies import model_versions
from anomalies.models import AuditEntry, ModelVersion
from tests.factories import AnalystFactory

pytestmark = pytest.mark.django_db

PAGE = reverse("admin:anomalies_modelversion_changelist")


def told(*arguments: str) -> str:
    out = io.StringIO()
    call_command("model", *arguments, stdout=out)
    return out.getvalue().strip()


def refused(*arguments: str) -> tuple[str, int]:
    with pytest.raises(CommandError) as caught:
        told(*arguments)
    return str(caught.value), caught.value.returncode


def test_a_model_is_added_listed_promoted_and_another_retired() -> None:
    assert told("add", "steep", '--weights={"own_amount": 2, "hour": 0.5}') == (
        "Made steep, in shadow; weights own_amount 2, hour 0.5."
    )
    told("add", "plain")
    assert told("retire", "plain") == "plain is retired."
    assert told("promote", "steep") == "steep is live: it scores payments from the first on."
    assert told("list").splitlines() == [
        "surprise-1  retired, from the first, no reference; weights all 1",
        "steep  live, from the first, no reference; weights own_amount 2, hour 0.5",
        "plain  retired, never live, no reference; weights all 1",
    ]


def test_every_action_tells_json() -> None:
    made = json.loads(told("add", "steep", '--weights={"hour": 0.5}', "--json"))
    assert made == {
        "id": str(ModelVersion.objects.get(name="steep").pk), "name": "steep", "state": "shadow",
        "weights": {"hour": 0.5}, "live_from": None,
    }  # fmt: skip
    promoted = json.loads(told("promote", "steep", "--json"))
    assert (promoted["state"], promoted["live_from"][:10]) == ("live", "1970-01-01")
    assert [model["name"] for model in json.loads(told("list", "--json"))] == ["surprise-1", "steep"]


@pytest.mark.parametrize(
    ("arguments", "sentence", "code"),
    [
        (("add", "steep", "--weights={"), "--weights: This is not JSON", 2),
        (("add", "steep", '--weights={"hour": NaN}'), "--weights: ", 2),
        (("add", "steep", '--weights={"hour": 1, "hour": 2}'), "--weights: ", 2),
        (("add", "steep", '--weights={"hours": 1}'), "There is no group 'hours'. The groups are: own_amount,", 1),
        (("add", "steep", '--weights={"hour": 11}'), "The weight of hour is not from 0 to 10.", 1),
        (("add", "Steep"), "A name has 1 to 64", 1),
        (("add", "surprise-1"), "There is a model 'surprise-1' already", 1),
        (("promote", "none"), "There is no model 'none'. The models are: surprise-1.", 1),
        (("retire", "surprise-1"), "surprise-1 is live", 1),
    ],
)
def test_what_cannot_be_is_one_sentence(arguments: tuple[str, ...], sentence: str, code: int) -> None:
    text, returncode = refused(*arguments)
    assert text.startswith(sentence)
    assert returncode == code


def operator(role: str) -> Client:
    person = AnalystFactory()
    person.groups.add(Group.objects.get(name=role))
    client = Client()
    client.force_login(person)
    return client


def promoted(client: Client, *models: ModelVersion) -> str:
    data: dict[str, Any] = {"action": "promote", "_selected_action": [str(model.pk) for model in models]}
    return client.post(PAGE, data, follow=True).content.decode()


def test_an_operator_puts_a_model_live_in_the_admin() -> None:
    model, other = (model_versions.add(name, {"hour": 0.5}, by=None) for name in ("steep", "other"))
    client = operator("Operator")
    page = client.get(PAGE).content.decode()
    assert "hour 0.5" in page
    assert "choose one" in promoted(client, model, other)
    assert "steep scores payments from" in promoted(client, model)
    assert "steep is live already" in promoted(client, model)
    assert model_versions.live() == model
    assert AuditEntry.objects.get(action="model.promoted").actor != ""


def test_who_may_only_look_puts_nothing_live() -> None:
    model = model_versions.add("steep", {}, by=None)
    promoted(operator("Lead"), model)
    assert model_versions.live().name == "surprise-1"
