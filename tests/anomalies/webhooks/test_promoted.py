"""A model that goes live is told as docs/webhooks.md says."""

import json
import re
from pathlib import Path

import pytest

from anomalies import model_versions
from tests.anomalies.receivers import Receiver
from tests.anomalies.webhooks.telling import endpoint, send
from transactions import promotion

pytestmark = pytest.mark.django_db

DOCS = Path(__file__).parents[3] / "docs" / "webhooks.md"


def test_a_promotion_arrives_once_and_as_the_docs_show_it(shop: Receiver) -> None:
    one = endpoint(shop.url, "model.promoted")
    weights = {"hour": 0.5, "velocity": 2.0}
    model = model_versions.add("night-owl", weights, by=None)
    promotion.promote("night-owl", by=None)
    send()
    send()
    (taken,) = shop.taken
    told = taken.verified(one.secret)
    assert told["type"] == "model.promoted"
    found = re.search(r'```json\n(\{"model_version_id".*?)\n```', DOCS.read_text(), re.DOTALL)
    assert found
    shown = json.loads(found[1])
    own = {"model_version_id": str(model.pk), "live_from": told["data"]["live_from"]}
    assert told["data"] == {**shown, **own}
    assert re.sub(r"\d", "0", own["live_from"]) == re.sub(r"\d", "0", shown["live_from"])
