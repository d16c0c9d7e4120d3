"""The queue's addresses, and people in front of it."""

from datetime import timedelta

from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from tests.factories import AnalystFactory

DAY = timedelta(days=1)
QUEUE = reverse("admin:anomalies_case_changelist")
BULK = reverse("admin:anomalies_case_bulk")
SAVE = reverse("admin:anomalies_case_view_save")
HOSTILE = "<script>alert(1)</script>"


def with_rights(name: str, *codenames: str):
    user = AnalystFactory(username=name)
    user.user_permissions.set(Permission.objects.filter(codename__in=["view_case", "review_case", *codenames]))
    return user


def browser_of(user) -> Client:
    browser = Client()
    browser.force_login(user)
    return browser


def listed(browser: Client, query: str) -> list:
    response = browser.get(f"{QUEUE}?{query}")
    assert response.status_code == 200
    return response.context["cl"].result_list


def saved_view(browser: Client, name: str, query: str):
    return browser.post(f"{SAVE}?{query}", {"name": name}, follow=True)
