"""Endpoints on this machine."""

from collections.abc import Iterator

import pytest
from pytest_django.fixtures import Settings

from tests.anomalies.receivers import Receiver, receiver


@pytest.fixture(autouse=True)
def loopback(settings: Settings) -> None:
    settings.WEBHOOK_ALLOW_PRIVATE = settings.WEBHOOK_ALLOW_HTTP = True


@pytest.fixture
def shop() -> Iterator[Receiver]:
    with receiver() as found:
        yield found
