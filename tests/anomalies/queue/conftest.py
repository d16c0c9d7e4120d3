"""Who sits at the queue, and what is in it."""

import pytest
from django.utils import timezone

from tests.anomalies.findings import LARGE
from tests.anomalies.queue.desks import DAY, browser_of, with_rights
from tests.factories import START, AnalystFactory, CaseFactory


@pytest.fixture
def analyst():
    return with_rights("ana")


@pytest.fixture
def desk(analyst):
    return browser_of(analyst)


@pytest.fixture
def assorted(analyst):
    """Five cases; the name of each is its merchant's note."""
    moment, june, other = timezone.now(), START, AnalystFactory()
    common = {"amount": 10, "currency": "EUR", "lease_until": moment + DAY}
    large, again = {**LARGE, "group": "own_amount"}, {"group": "velocity", "code": "burst_1h"}
    mean, burst = {**large, "code": "amount_over_mean"}, {**LARGE, **again}
    made = {
        "ann": {"priority": 95.0, "amount": 1000, "merchant_id": "m-1", "reason": large},
        "bob": {
            "priority": 65.0, "state": "claimed", "assignee": analyst, "currency": "USD", "anomaly_count": 3,
            "opened_at": moment - 3 * DAY, "reason": burst,
        },
        "cat": {
            "priority": 61.0, "state": "claimed", "assignee": other, "amount": 100, "anomaly_count": -1,
            "opened_at": moment - 9 * DAY, "reason": mean,
        },
        "dan": {
            "priority": 45.0, "state": "closed", "outcome": "fraud", "closed_by": analyst, "assignee": other,
            "closed_at": june, "merchant_id": "m-2",
        },
        "eve": {
            "priority": 62.0, "state": "closed", "outcome": "expected", "closed_by": other, "closed_at": june + DAY,
        },
    }  # fmt: skip
    for fields in made.values():
        fields["top_reason"] = fields.get("reason", {}).get("code", "")
        # What the sentence says is not looked at here.
        if "reason" in fields:
            fields["reason"] = {**fields["reason"], "code": "no sentence"}
    return {CaseFactory(**{**common, **fields}).pk: name for name, fields in made.items()}
