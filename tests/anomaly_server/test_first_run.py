"""What `up` does once: only where it is due, and nothing that lasts in plain text."""

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from anomaly_server import first_run
from tests.factories import TransactionFactory
from transactions import keys
from transactions.models import ApiKey, Load

pytestmark = pytest.mark.django_db


@pytest.fixture
def embedded(settings) -> None:
    settings.DATABASE_URL = ""


@pytest.mark.usefixtures("embedded")
def test_an_empty_embedded_database_wants_demo_data():
    assert first_run.wants_demo_data()


@pytest.mark.usefixtures("embedded")
def test_data_of_somebody_want_none():
    TransactionFactory()
    assert not first_run.wants_demo_data()


@pytest.mark.usefixtures("embedded")
def test_demo_data_that_were_broken_off_are_gone_on_with():
    TransactionFactory()
    load = Load.objects.create(digest="a", name="demo data (users 1150, days 150, seed 1, end 2026-11-01T00:00:00Z)")
    assert first_run.wants_demo_data()
    Load.objects.filter(pk=load.pk).update(finished_at=timezone.now())
    assert not first_run.wants_demo_data()


def test_a_database_of_ones_own_is_never_filled(settings):
    settings.DATABASE_URL = "postgresql://somebody@db.example.com/payments"
    assert not first_run.wants_demo_data()


def test_the_first_administrator_and_key_work_and_are_stored_hashed():
    access = first_run.make_access()
    assert access is not None
    admin = User.objects.get(username="admin")
    assert admin.is_superuser
    assert admin.check_password(access.password)
    assert access.password not in admin.password
    assert keys.find(access.key).owner == admin
    assert access.key not in ApiKey.objects.values_list("hashed_key", flat=True)


def test_there_is_no_second_first_administrator():
    assert first_run.make_access() is not None
    assert first_run.make_access() is None


def test_somebody_elses_account_named_admin_is_left_alone():
    User.objects.create_user("admin")
    assert first_run.make_access() is None
    assert not User.objects.get(username="admin").is_superuser
