"""Who may do what: every address and every action of the admin, and the API, tried as each role.

A new address has to be added to the table: the first test fails until somebody has said who may use it.
"""

from importlib import import_module
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group, Permission, User
from django.db import connection, transaction
from django.test import Client, RequestFactory
from django.urls import get_resolver
from procrastinate.contrib.django.models import ProcrastinateJob

from anomalies import audit, comments
from anomalies.api.exporting import Export
from anomalies.desk import BulkChange, SavedView
from anomalies.models import AlertBudget, ModelVersion, PendingScore
from anomalies.webhooks import endpoints
from anomalies.webhooks.models import WebhookDelivery
from tests.anomaly_server.test_access import routes
from tests.api import BASE
from tests.factories import AnalystFactory, AnomalyFactory, CaseFactory, VerdictFactory
from transactions import keys, scopes
from transactions.models import Load

pytestmark = pytest.mark.django_db

NOBODY = "nobody"  # may log in, and is in no group
ROLES = ("Viewer", "Analyst", "Lead", "Operator", "Admin")
ALL = frozenset(ROLES)
REVIEWERS = frozenset({"Analyst", "Lead", "Admin"})
LEADS = frozenset({"Lead", "Admin"})
OPERATORS = frozenset({"Operator", "Admin"})
LOGGED = LEADS | OPERATORS
ADMINS = frozenset({"Admin"})
NONE: frozenset[str] = frozenset()
ANYBODY = ALL | {NOBODY}


class May(NamedTuple):
    """Who may read an address, and who may post to it; None where posting does the same as reading."""

    read: frozenset[str]
    post: frozenset[str] | None = None


def model(
    name: str,
    read: frozenset[str],
    *,
    add: frozenset[str] = NONE,
    change: frozenset[str] = NONE,
    delete: frozenset[str] = NONE,
) -> dict[str, May]:
    """The addresses that the admin makes for every model."""
    return {
        f"admin/{name}/": May(read),
        f"admin/{name}/add/": May(add, add),
        f"admin/{name}/<path:object_id>/history/": May(read),
        f"admin/{name}/<path:object_id>/delete/": May(delete, delete),
        f"admin/{name}/<path:object_id>/change/": May(read | change, change),
        # Leads on to the change page.
        f"admin/{name}/<path:object_id>/": May(ANYBODY),
    }


def posted(may: frozenset[str], *names: str) -> dict[str, May]:
    return {f"admin/anomalies/case/{name}/": May(NONE, may) for name in names}


ADMIN: dict[str, May] = {
    "admin/": May(ANYBODY),
    "admin/login/": May(ANYBODY, ANYBODY),
    "admin/logout/": May(NONE, ANYBODY),
    "admin/password_change/": May(ANYBODY, ANYBODY),
    "admin/password_change/done/": May(ANYBODY, NONE),
    # Finds pages of the side bar only.
    "admin/search/": May(ANYBODY),
    # Of the owners of keys.
    "admin/autocomplete/": May(OPERATORS, NONE),
    "admin/jsi18n/": May(ANYBODY, NONE),
    "admin/^(?P<app_label>procrastinate|axes|anomalies|transactions|auth)/$": May(ALL),
    "admin/users/": May(ALL, NONE),
    "admin/users/<uuid:user_id>/": May(ALL, NONE),
    **model("anomalies/case", ALL),
    **posted(
        REVIEWERS,
        "next",
        "<uuid:case_id>/claim",
        "<uuid:case_id>/renew",
        "<uuid:case_id>/release",
        "<uuid:case_id>/skip",
        "<uuid:case_id>/close",
        "<uuid:case_id>/judge",
        "<uuid:case_id>/judge/<uuid:transaction_id>",
        "<uuid:case_id>/undo",
        "<uuid:case_id>/comment",
        "bulk",
        "views",
        "views/<uuid:view_id>/rename",
        "views/<uuid:view_id>/first",
        "views/<uuid:view_id>/delete",
    ),
    **posted(LEADS, "<uuid:case_id>/reopen", "views/<uuid:view_id>/share"),
    "admin/anomalies/case/<uuid:case_id>/assign/": May(LEADS, LEADS),
    "admin/anomalies/case/bulk/<uuid:change_id>/": May(REVIEWERS, REVIEWERS),
    **model("anomalies/anomaly", ALL),
    **model("anomalies/verdict", ALL),
    **model("anomalies/reference", ALL),
    **model("anomalies/modelversion", ALL),
    **model("anomalies/pendingscore", ALL),
    **model("anomalies/alertbudget", ALL),
    "admin/anomalies/alertbudget/set/": May(NONE, LEADS),
    **model("anomalies/auditentry", LOGGED),
    **model("transactions/transaction", ALL),
    **model("anomalies/webhookendpoint", OPERATORS, add=OPERATORS, change=OPERATORS, delete=OPERATORS),
    **{
        f"admin/anomalies/webhookendpoint/<uuid:endpoint_id>/{name}/": May(NONE, OPERATORS)
        for name in ("test", "rotate", "replay")
    },
    **model("anomalies/webhookdelivery", OPERATORS),
    "admin/transactions/transaction/<uuid:transaction_id>/judge/": May(NONE, REVIEWERS),
    **model("transactions/load", ALL),
    **model("transactions/apikey", OPERATORS, add=OPERATORS, change=OPERATORS, delete=OPERATORS),
    **model("auth/user", OPERATORS, add=ADMINS, change=ADMINS),
    "admin/auth/user/<path:object_id>/delete/": May(ANYBODY, ANYBODY),  # answers why accounts are not deleted
    "admin/auth/user/<id>/password/": May(ADMINS, ADMINS),
    **model("auth/group", ADMINS, add=ADMINS, change=ADMINS, delete=ADMINS),
    **model("procrastinate/procrastinatejob", OPERATORS),
    **model("axes/accessattempt", ADMINS, delete=ADMINS),
    **model("axes/accesslog", ADMINS),
    **model("axes/accessfailurelog", ADMINS),
}
# Answer 404 to everybody: a link by content type, and whatever is no address.
MISSING = {"admin/r/<path:content_type_id>/<path:object_id>/", "admin/(?P<url>.*)$"}
ACTIONS = {
    ("auth.User", "deactivate"): ADMINS,
    ("auth.User", "activate"): ADMINS,
    ("auth.Group", "delete_selected"): ADMINS,
    ("transactions.ApiKey", "rotate"): OPERATORS,
    ("transactions.ApiKey", "delete_selected"): OPERATORS,
    ("anomalies.WebhookDelivery", "send_again"): OPERATORS,
    ("anomalies.ModelVersion", "promote"): OPERATORS,
    ("axes.AccessAttempt", "delete_selected"): ADMINS,
    ("axes.AccessLog", "delete_selected"): NONE,
    ("axes.AccessFailureLog", "delete_selected"): NONE,
    # These ask for no permission of their own: who may see the model may use them.
    ("axes.AccessAttempt", "cleanup_expired_attempts"): ADMINS,
    ("procrastinate.ProcrastinateJob", "retry"): OPERATORS,
    ("procrastinate.ProcrastinateJob", "cancel"): OPERATORS,
    ("procrastinate.ProcrastinateJob", "abort"): OPERATORS,
}
# Whose key may do what, the key itself having every scope.
API = {
    "api/v1/transactions/": May(ANYBODY, OPERATORS),
    "api/v1/transactions/bulk/": May(NONE, OPERATORS),
    "api/v1/transactions/export/": May(ANYBODY, NONE),
    "api/v1/transactions/<uuid:id>/": May(ANYBODY, NONE),
    "api/v1/transactions/<uuid:id>/explanation/": May(ANYBODY, NONE),
    "api/v1/users/": May(ANYBODY, NONE),
    "api/v1/users/<uuid:user_id>/": May(ANYBODY, NONE),
    "api/v1/anomalies/": May(ANYBODY, NONE),
    "api/v1/anomalies/export/": May(ANYBODY, NONE),
    "api/v1/anomalies/<uuid:transaction_id>/": May(ANYBODY, NONE),
    "api/v1/cases/": May(ANYBODY, NONE),
    "api/v1/cases/export/": May(ANYBODY, NONE),
    "api/v1/cases/<uuid:id>/": May(ANYBODY, NONE),
    "api/v1/cases/next/": May(NONE, REVIEWERS),
    **{f"api/v1/cases/<uuid:id>/{name}/": May(NONE, REVIEWERS) for name in ("claim", "release", "close")},
    "api/v1/verdicts/": May(ANYBODY, REVIEWERS),
    "api/v1/verdicts/export/": May(ANYBODY, NONE),
    "api/v1/webhooks/": May(OPERATORS, OPERATORS),
    "api/v1/webhooks/<uuid:id>/": May(OPERATORS, NONE),
    **{f"api/v1/webhooks/<uuid:id>/{name}/": May(NONE, OPERATORS) for name in ("replay", "rotate", "test")},
    "api/v1/webhook-deliveries/": May(OPERATORS, NONE),
    "api/v1/webhook-deliveries/<uuid:id>/": May(OPERATORS, NONE),
    "api/v1/webhook-deliveries/<uuid:id>/replay/": May(NONE, OPERATORS),
    "api/v1/stream/": May(ANYBODY, NONE),
    "api/schema/": May(ANYBODY, NONE),
    "api/docs/": May(ANYBODY, NONE),
}
# By which name the world knows what stands behind the id in an address.
OF_API = {"cases": "case_id", "webhooks": "endpoint_id", "webhook-deliveries": "anomalies/webhookdelivery"}
NO_ADDRESS = "^api/"


class World(NamedTuple):
    """One of everything, by the name that a route has for it or the model whose page it is."""

    ids: dict[str, Any]

    def address(self, route: str) -> str:
        if "app_label" in route:
            return "/admin/anomalies/"
        if "autocomplete" in route:
            return "/admin/autocomplete/?app_label=transactions&model_name=apikey&field_name=owner"
        path = route
        for name, value in self.ids.items():
            path = path.replace(f"<uuid:{name}>", str(value))
        model_name = "/".join(route.split("/")[1:3])
        path = path.replace("<path:object_id>", str(self.ids.get(model_name, 1)))
        path = path.replace("<id>", str(self.ids["auth/user"]))
        return "/" + path.replace("<path:content_type_id>", "1").replace("(?P<url>.*)$", "nowhere/")


def person(role: str) -> User:
    user: User = AnalystFactory(username=f"some-{role}")
    if role != NOBODY:
        user.groups.add(Group.objects.get(name=role))
    return user


def world(owner: User) -> World:
    case = CaseFactory(anomaly_count=1)
    found = AnomalyFactory(case=case, user_id=case.user_id, transaction__user_id=case.user_id)
    other = AnalystFactory()
    key, _text = keys.create(owner=other, name="some")
    audit.write("x.y", by=None)
    comments.add(case, other, "Some words.")
    endpoint = endpoints.create(url="https://127.0.0.1:9/", kinds=["case.opened"], owner=other)
    delivery = WebhookDelivery.objects.create(
        endpoint=endpoint, event_id=UUID(int=8), kind="case.opened", position=1, give_up_at=case.since
    )
    ids = {
        "endpoint_id": endpoint.pk,
        "anomalies/webhookendpoint": endpoint.pk,
        "anomalies/webhookdelivery": delivery.pk,
        "case_id": case.pk,
        "transaction_id": found.pk,
        "id": found.pk,
        "user_id": case.user_id,
        "view_id": SavedView.objects.create(owner=owner, name="some", query="").pk,
        "change_id": BulkChange.objects.create(
            author=owner, action="close", value="fraud", cases=[case.pk], total=1
        ).pk,
        "anomalies/case": case.pk,
        "anomalies/anomaly": found.pk,
        "anomalies/verdict": VerdictFactory().pk,
        "anomalies/reference": found.reference_id,
        "anomalies/modelversion": ModelVersion.objects.values_list("pk", flat=True)[0],
        "anomalies/pendingscore": PendingScore.objects.create(user_id=UUID(int=7), since=case.since).pk,
        "anomalies/alertbudget": AlertBudget.objects.create(cases_per_day=7).pk,
        "anomalies/auditentry": 1,
        "transactions/transaction": found.pk,
        "transactions/load": Load.objects.create(digest="d", name="n").pk,
        "transactions/apikey": key.pk,
        "auth/user": other.pk,
        "auth/group": Group.objects.create(name="some").pk,
    }
    return World({**ids, **of_libraries()})


def of_libraries() -> dict[str, Any]:
    """A row of each model that django-axes and procrastinate show in the admin."""
    tried = {"username": "ana", "ip_address": "10.0.0.1", "user_agent": "some"}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT procrastinate_defer_jobs_v1(ARRAY[ROW('default', 'probe', 0, NULL, NULL, '{}', NULL)"
            "::procrastinate_job_to_defer_v1])"
        )
    return {
        "procrastinate/procrastinatejob": ProcrastinateJob.objects.values_list("pk", flat=True)[0],
        "axes/accessattempt": AccessAttempt.objects.create(**tried, failures_since_start=1).pk,
        "axes/accesslog": AccessLog.objects.create(**tried).pk,
        "axes/accessfailurelog": AccessFailureLog.objects.create(**tried).pk,
    }


def is_let(client: Client, method: str, path: str) -> bool:
    """Whatever was changed is undone, and who logged out is in again."""
    cookies = client.cookies.copy()
    with transaction.atomic():
        response = getattr(client, method)(path)
        transaction.set_rollback(True)
    if isinstance(response, Export):
        # Nobody sends it to its end, so it would count as one of the few that may be on their way.
        response.leave()
    client.cookies = cookies
    to_login = response.status_code == 302 and response["Location"].startswith("/admin/login/")
    assert response.status_code < 500, (method, path)
    return not to_login and response.status_code not in (401, 403, 404, 405)


def test_every_address_says_who_may_use_it() -> None:
    found = list(routes(get_resolver().url_patterns))
    assert [route for route in found if route.startswith("admin/") and route not in ADMIN.keys() | MISSING] == []
    assert [route for route in found if route.startswith("api/") and route not in API] == []
    assert sorted((ADMIN.keys() | API.keys() | MISSING | {NO_ADDRESS}) - set(found)) == []


@pytest.mark.parametrize("role", [NOBODY, *ROLES])
def test_every_page_of_the_admin_is_for_whom_the_table_says(role: str) -> None:
    owner, client = person(role), Client(raise_request_exception=False)
    client.force_login(owner)
    things, wrong = world(owner), []
    for route, may in ADMIN.items():
        for method, roles in asked(may):
            if is_let(client, method, things.address(route)) != (role in roles):
                wrong.append((route, method))
    assert not wrong, "\n".join(map(str, wrong))


def asked(may: May) -> list[tuple[str, frozenset[str]]]:
    return [("get", may.read)] if may.post is None else [("get", may.read), ("post", may.post)]


@pytest.mark.parametrize("role", [NOBODY, *ROLES])
def test_every_action_is_for_whom_the_table_says(role: str) -> None:
    request = RequestFactory().get("/")
    request.user = person(role)
    found = {
        (str(kind._meta.label), name)
        for kind, page in admin.site._registry.items()
        for name in page.get_actions(request)
    }
    seen = {one for one in found if admin.site._registry[kind_of(one[0])].has_view_permission(request)}
    assert seen == {one for one, roles in ACTIONS.items() if role in roles}


def kind_of(label: str) -> Any:
    return next(kind for kind in admin.site._registry if kind._meta.label == label)


def test_every_action_stands_in_the_table(admin_user: User) -> None:
    request = RequestFactory().get("/")
    request.user = admin_user
    registry = admin.site._registry.items()
    found = {(str(kind._meta.label), name) for kind, page in registry for name in page.get_actions(request)}
    assert found == ACTIONS.keys()


@pytest.mark.parametrize("role", [NOBODY, *ROLES])
def test_a_key_may_do_what_its_owner_may(role: str) -> None:
    owner = person(role)
    _key, text = keys.create(owner=owner, name="theirs", scopes=scopes.ALL)
    by_key, by_login = Client(headers={"Authorization": f"Bearer {text}"}), Client()
    by_login.force_login(owner)
    things, wrong = world(owner), []
    for route, may in API.items():
        path = things.address(route)
        for name, one in OF_API.items():
            path = path.replace(f"{name}/{things.ids['id']}", f"{name}/{things.ids[one]}")
        for method, roles in asked(may):
            found = {is_let(by_key, method, path), is_let(by_login, method, path)}
            wrong += [] if found == {role in roles} else [(route, method, found)]
    assert not wrong, "\n".join(map(str, wrong))


def test_a_key_without_the_scope_helps_nobody() -> None:
    _key, text = keys.create(owner=person("Admin"), name="reads", scopes=scopes.READ)
    client = Client(headers={"Authorization": f"Bearer {text}"})
    assert client.post(f"{BASE}verdicts/", {}, content_type="application/json").status_code == 403


def test_a_case_is_not_worked_by_who_may_only_look() -> None:
    """One way through the whole stack, with what is stored afterwards."""
    case, viewer, client = CaseFactory(), person("Viewer"), Client()
    client.force_login(viewer)
    assert client.post(f"/admin/anomalies/case/{case.pk}/claim/").status_code == 403
    case.refresh_from_db()
    assert case.state == "open"
    client.force_login(person("Analyst"))
    assert client.post(f"/admin/anomalies/case/{case.pk}/claim/").status_code == 302
    case.refresh_from_db()
    assert case.state == "claimed"


def test_roles_are_made_once_and_what_somebody_changed_stays() -> None:
    migration = import_module("anomaly_server.migrations.0001_roles")
    analysts = Group.objects.get(name="Analyst")
    analysts.permissions.remove(Permission.objects.get(codename="review_case"))
    kept = set(analysts.permissions.all())
    migration.make(apps, None)
    assert set(analysts.permissions.all()) == kept
    migration.remove(apps, None)
    assert not Group.objects.filter(name__in=ROLES).exists()
    migration.make(apps, None)
    migration.make(apps, None)
    assert [group.name for group in Group.objects.order_by("name")] == sorted(ROLES)
    assert Group.objects.get(name="Analyst").permissions.filter(codename="review_case").exists()


def test_each_role_may_what_the_one_below_it_may() -> None:
    held = {group.name: set(group.permissions.all()) for group in Group.objects.filter(name__in=ROLES)}
    assert held["Viewer"] < held["Analyst"] < held["Lead"] < held["Admin"]
    assert held["Viewer"] < held["Operator"] < held["Admin"]
    assert not (held["Operator"] - held["Viewer"]) & (held["Analyst"] - held["Viewer"])
