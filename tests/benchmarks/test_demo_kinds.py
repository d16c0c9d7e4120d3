"""The table of planted kinds: each kind has its causes, and its strangest anomaly speaks for a victim."""

from datetime import timedelta
from uuid import uuid4

import pytest

from anomalies.titles import GROUP_TITLES
from benchmarks.demo_kinds import CAUSES, Alert, strongest
from tests.factories import START
from transactions.demo.vocabulary import KINDS


def test_every_kind_has_causes_that_are_groups_of_evidence() -> None:
    assert set(CAUSES) == set(KINDS)
    assert set().union(*CAUSES.values()) <= set(GROUP_TITLES)


@pytest.mark.django_db
def test_the_strangest_anomaly_at_the_threshold_speaks_for_a_victim() -> None:
    found, missed = uuid4(), uuid4()
    alerts = [
        Alert("amount_spike", found, 75.0, START, "own_amount"),
        Alert("amount_spike", found, 70.0, START + timedelta(days=1), "hour"),
        Alert("odd_hour", found, 65.0, START, "hour"),
        # Without a past of anomalies the threshold is 60.
        Alert("amount_spike", missed, 59.0, START, "own_amount"),
    ]
    assert list(strongest(alerts)) == [alerts[2], alerts[0]]
