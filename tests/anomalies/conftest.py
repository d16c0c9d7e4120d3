"""Who sits at the console."""

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from tests.factories import AnalystFactory


@pytest.fixture
def analyst():
    """Somebody who may see, judge and work cases, and nothing else."""
    user = AnalystFactory(username="ana")
    names = ["view_case", "review_case", "view_anomaly", "view_verdict", "add_verdict", "view_reference"]
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    return user


@pytest.fixture
def desk(analyst):
    """A browser in which the analyst has logged in."""
    browser = Client()
    browser.force_login(analyst)
    return browser
