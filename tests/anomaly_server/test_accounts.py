"""Accounts are deactivated, never deleted; nobody makes himself more than he is; all of it is in the audit log."""

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.test import Client

from anomalies import audit
from anomalies.models import AuditEntry
from tests.api import BASE
from tests.factories import AnalystFactory
from transactions import keys
from transactions.models import ApiKey

pytestmark = pytest.mark.django_db
PASSWORD = "correct-horse-battery"
MANAGES = ("view_user", "add_user", "change_user", "view_group", "add_group", "change_group", "delete_group")


@pytest.fixture
def manager() -> User:
    """Somebody who manages accounts and groups and may look at cases, and is no superuser."""
    user: User = AnalystFactory(username="mona")
    user.user_permissions.set(Permission.objects.filter(codename__in=(*MANAGES, "view_case")))
    return user


@pytest.fixture
def desk(manager: User) -> Client:
    client = Client()
    client.force_login(manager)
    return client


def named(codename: str) -> Permission:
    return Permission.objects.get(codename=codename)


def form_of(user: User, **changes: object) -> dict[str, object]:
    """What the browser sends when an account's form is saved."""
    form: dict[str, object] = {"username": user.username, "email": user.email, "first_name": "", "last_name": ""}
    for name in ("is_active", "is_staff", "is_superuser"):
        if getattr(user, name):
            form[name] = "on"
    form["groups"] = [group.pk for group in user.groups.all()]
    form["user_permissions"] = [permission.pk for permission in user.user_permissions.all()]
    return {**form, **changes}


def save(client: Client, user: User, **changes: object) -> str:
    return client.post(f"/admin/auth/user/{user.pk}/change/", form_of(user, **changes), follow=True).content.decode()


def told(action: str) -> list[AuditEntry]:
    return list(AuditEntry.objects.filter(action=action))


def test_a_deactivated_account_is_out_at_its_next_request(admin_client: Client) -> None:
    ana = User.objects.create_user("ana", password=PASSWORD, is_staff=True)
    _key, text = keys.create(owner=ana, name="ana's")
    browser, bearer = Client(), {"Authorization": f"Bearer {text}"}
    browser.post("/admin/login/", {"username": "ana", "password": PASSWORD, "next": "/admin/"})
    assert browser.get("/admin/").status_code == 200
    assert Client().get(f"{BASE}users/", headers=bearer).status_code == 200
    answer = admin_client.post("/admin/auth/user/", {"action": "deactivate", "_selected_action": [ana.pk]}, follow=True)
    assert "1 account changed." in answer.content.decode()
    assert browser.get("/admin/").status_code == 302
    assert Client().get(f"{BASE}users/", headers=bearer).status_code == 401
    (entry,) = told("account.deactivated")
    assert (entry.actor, entry.subject, entry.before, entry.after) == (
        "admin",
        "ana",
        {"active": True},
        {"active": False},
    )


def test_an_activated_account_may_log_in_again(admin_client: Client) -> None:
    ana = User.objects.create_user("ana", password=PASSWORD, is_staff=True, is_active=False)
    admin_client.post("/admin/auth/user/", {"action": "activate", "_selected_action": [ana.pk]})
    browser = Client()
    browser.post("/admin/login/", {"username": "ana", "password": PASSWORD})
    assert browser.get("/admin/").status_code == 200


def test_nobody_deactivates_himself(admin_client: Client, admin_user: User) -> None:
    answer = admin_client.post(
        "/admin/auth/user/", {"action": "deactivate", "_selected_action": [admin_user.pk]}, follow=True
    )
    assert "You may not change admin" in answer.content.decode()
    admin_user.refresh_from_db()
    assert admin_user.is_active


def test_nobody_deletes_an_account_and_the_page_says_what_to_do(admin_client: Client) -> None:
    ana = AnalystFactory(username="ana")
    page = admin_client.get(f"/admin/auth/user/{ana.pk}/change/").content.decode()
    assert f"/admin/auth/user/{ana.pk}/delete/" not in page
    assert "Accounts are not deleted" in page
    assert 'value="delete_selected"' not in admin_client.get("/admin/auth/user/").content.decode()
    for method in (admin_client.get, admin_client.post):
        answer = method(f"/admin/auth/user/{ana.pk}/delete/", {"post": "yes"}, follow=True).content.decode()
        assert "Deactivate the account instead" in answer
    assert User.objects.filter(pk=ana.pk).exists()


def test_only_a_superuser_edits_a_superuser(desk: Client, admin_user: User) -> None:
    assert desk.post(f"/admin/auth/user/{admin_user.pk}/change/", form_of(admin_user)).status_code == 403
    assert desk.get(f"/admin/auth/user/{admin_user.pk}/password/").status_code == 403
    answer = desk.post("/admin/auth/user/", {"action": "deactivate", "_selected_action": [admin_user.pk]}, follow=True)
    assert "You may not change admin" in answer.content.decode()
    admin_user.refresh_from_db()
    assert admin_user.is_active


@pytest.mark.parametrize("is_active", [True, False])
def test_nobody_takes_over_an_account_that_may_do_more(desk: Client, is_active: bool) -> None:
    lead = AnalystFactory(is_active=is_active)
    group = Group.objects.create(name="judges")
    group.permissions.add(named("add_verdict"))
    lead.groups.add(group)
    assert desk.get(f"/admin/auth/user/{lead.pk}/password/").status_code == 403
    lead.groups.clear()
    assert desk.get(f"/admin/auth/user/{lead.pk}/password/").status_code == 200


def test_nobody_makes_a_superuser_without_being_one(desk: Client) -> None:
    ana = AnalystFactory()
    save(desk, ana, is_superuser="on", is_staff="on")
    ana.refresh_from_db()
    assert not ana.is_superuser


def test_nobody_changes_what_he_may_do_himself(desk: Client, manager: User, admin_client: Client) -> None:
    judges = Group.objects.create(name="judges")
    save(desk, manager, groups=[judges.pk], user_permissions=[named("add_verdict").pk], is_superuser="on")
    manager.refresh_from_db()
    assert (manager.groups.count(), manager.is_superuser) == (0, False)
    assert not manager.user_permissions.filter(codename="add_verdict").exists()


def test_nobody_gives_what_he_does_not_hold(desk: Client) -> None:
    ana, judges, viewers = AnalystFactory(), Group.objects.create(name="judges"), Group.objects.create(name="viewers")
    judges.permissions.add(named("add_verdict"))
    viewers.permissions.add(named("view_case"))
    for changes in ({"groups": [judges.pk]}, {"user_permissions": [named("add_verdict").pk]}):
        assert "You cannot give what you may not do yourself: Can add verdict." in save(desk, ana, **changes)
    assert ana.get_all_permissions() == set()
    save(desk, ana, groups=[viewers.pk])
    assert User.objects.get(pk=ana.pk).get_all_permissions() == {"anomalies.view_case"}


def test_nobody_makes_his_own_group_mightier_than_he_is(desk: Client, manager: User) -> None:
    group = Group.objects.create(name="managers")
    manager.groups.add(group)
    address = f"/admin/auth/group/{group.pk}/change/"
    refused = desk.post(address, {"name": "managers", "permissions": [named("add_verdict").pk]})
    assert "You cannot give what you may not do yourself" in refused.content.decode()
    desk.post(address, {"name": "managers", "permissions": [named("view_case").pk]})
    assert [permission.codename for permission in group.permissions.all()] == ["view_case"]


def test_what_somebody_had_already_stays_when_others_edit_him(desk: Client, admin_client: Client) -> None:
    ana = AnalystFactory(first_name="Ana")
    ana.user_permissions.add(named("view_case"))
    save(desk, ana, first_name="Anna")
    assert User.objects.get(pk=ana.pk).first_name == "Anna"


def test_changes_of_accounts_say_what_was_before_and_after(admin_client: Client) -> None:
    admin_client.post(
        "/admin/auth/user/add/",
        {"username": "ana", "usable_password": "true", "password1": PASSWORD, "password2": PASSWORD},
    )
    ana, group = User.objects.get(username="ana"), Group.objects.create(name="judges")
    save(admin_client, ana, groups=[group.pk], is_staff="on")
    (made,), (changed,) = told("account.created"), told("account.changed")
    assert (made.subject, made.after["staff"]) == ("ana", False)
    assert changed.before == {"staff": False, "groups": []}
    assert changed.after == {"staff": True, "groups": ["judges"]}
    assert (changed.actor, changed.address) == ("admin", "127.0.0.1")
    save(admin_client, ana, groups=[group.pk], is_staff="on")
    assert len(told("account.changed")) == 1


def test_changes_of_groups_are_told(admin_client: Client) -> None:
    admin_client.post("/admin/auth/group/add/", {"name": "judges", "permissions": []})
    group = Group.objects.get(name="judges")
    admin_client.post(
        f"/admin/auth/group/{group.pk}/change/", {"name": "judges", "permissions": [named("add_verdict").pk]}
    )
    (changed,) = told("group.changed")
    assert (changed.before, changed.after) == ({"permissions": []}, {"permissions": ["add_verdict"]})
    admin_client.post(
        "/admin/auth/group/", {"action": "delete_selected", "_selected_action": [group.pk], "post": "yes"}
    )
    other = Group.objects.create(name="others")
    admin_client.post(f"/admin/auth/group/{other.pk}/delete/", {"post": "yes"})
    assert {entry.subject for entry in told("group.deleted")} == {"judges", "others"}
    assert not Group.objects.filter(name__in=["judges", "others"]).exists()


def test_logins_logouts_and_failures_are_told_with_their_address() -> None:
    User.objects.create_user("ana", password=PASSWORD, is_staff=True)
    browser = Client(REMOTE_ADDR="10.1.2.3")
    browser.post("/admin/login/", {"username": "ana\0<b>", "password": "wrong"})
    browser.post("/admin/login/", {"username": "ana", "password": "wrong"})
    browser.post("/admin/login/", {"username": "ana", "password": PASSWORD})
    browser.post("/admin/logout/")
    found = [
        (entry.action, entry.actor, entry.subject)
        for entry in AuditEntry.objects.filter(address="10.1.2.3").order_by("position")
    ]
    assert found[-3:] == [
        ("account.login_failed", "", "ana"),
        ("account.logged_in", "ana", "ana"),
        ("account.logged_out", "ana", "ana"),
    ]
    assert audit.ADDRESS.get() == ""


def test_who_goes_on_while_locked_out_does_not_fill_the_log(settings) -> None:
    settings.AXES_FAILURE_LIMIT = 3
    for _ in range(6):
        Client().post("/admin/login/", {"username": "ana", "password": "wrong"})
    notes = [entry.note for entry in AuditEntry.objects.filter(action="account.login_failed").order_by("position")]
    assert notes == ["", "", "Locked out."]


def test_a_new_password_is_told_and_never_shown(admin_client: Client, admin_user: User) -> None:
    ana = AnalystFactory(username="ana")
    AuditEntry.objects.all().delete()
    passwords = {"password1": PASSWORD, "password2": PASSWORD}
    admin_client.post(
        f"/admin/auth/user/{ana.pk}/password/", {**passwords, "usable_password": "true", "set-password": "1"}
    )
    admin_client.post(
        "/admin/password_change/",
        {"old_password": "password", "new_password1": PASSWORD, "new_password2": PASSWORD},
    )
    found = {(entry.actor, entry.subject) for entry in told("account.password_set")}
    assert found == {("admin", "ana"), ("admin", "admin")}
    assert not any(PASSWORD in str(vars(entry)) for entry in AuditEntry.objects.all())


def test_nobody_makes_or_exchanges_a_key_that_may_do_more_than_he(
    manager: User, desk: Client, admin_user: User
) -> None:
    manager.user_permissions.add(*Permission.objects.filter(codename__endswith="_apikey", content_type__model="apikey"))
    form = {"name": "mine", "owner": admin_user.pk, "scopes": ["users:read"]}
    answer = desk.post("/admin/transactions/apikey/add/", form).content.decode()
    assert "You cannot make a key for an account that may do more than yours." in answer
    key, _text = keys.create(owner=admin_user, name="admin's")
    rotated = desk.post("/admin/transactions/apikey/", {"action": "rotate", "_selected_action": [key.pk]}, follow=True)
    assert "may do more than yours: you can only revoke it" in rotated.content.decode()
    desk.post("/admin/transactions/apikey/add/", {**form, "owner": manager.pk})
    assert [key.name for key in ApiKey.objects.filter(owner=manager)] == ["mine"]
    assert ApiKey.objects.filter(owner=admin_user).count() == 1
