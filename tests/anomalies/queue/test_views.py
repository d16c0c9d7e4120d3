"""What stands in the tabs of the queue: views of one's own, and shared ones."""

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from anomalies.desk import SavedView
from anomalies.models import AuditEntry
from tests.anomalies.queue.desks import QUEUE, SAVE, browser_of, saved_view, with_rights
from tests.factories import AnalystFactory

pytestmark = pytest.mark.django_db


class TestViews:
    def act(self, browser: Client, view: SavedView, what: str, **data):
        return browser.post(reverse(f"admin:anomalies_case_view_{what}", args=[view.pk]), data, follow=True)

    def test_filters_are_kept_under_a_name_in_one_order(self, desk, analyst):
        text = saved_view(
            desk, "  Big   euros ", "currency=EUR&amount_from=100&state=todo&p=3&level=any"
        ).content.decode()
        assert "The view “Big euros” is kept." in text
        view = SavedView.objects.get()
        assert (view.owner, view.name, view.query) == (analyst, "Big euros", "amount_from=100&currency=EUR")
        assert 'aria-current="page">Big euros' in text

    def test_the_same_name_again_means_the_new_filters(self, desk):
        saved_view(desk, "One", "level=high")
        saved_view(desk, "One", "level=low")
        assert SavedView.objects.get().query == "level=low"

    @pytest.mark.parametrize(
        ("name", "query", "sentence"),
        [
            ("", "level=high", "A name has 1 to 40"),
            ("x" * 41, "level=high", "A name has 1 to 40"),
            ("a\u0000b", "level=high", "A name has 1 to 40"),
            ("x", "", "Set some filters first"),
            ("x", "colour=red", "These filters cannot be read"),
            ("x", "level=purple", "These filters cannot be read"),
            ("x", "amount_from=lots", "Amounts such as 1234.50"),
            ("x", "merchant=" + "m" * 499 + "&q=" + "q" * 600, "too long"),
        ],
    )
    def test_what_cannot_be_kept_is_refused_with_a_sentence(self, desk, name, query, sentence):
        assert sentence in saved_view(desk, name, query).content.decode()
        assert not SavedView.objects.exists()

    def test_there_is_an_end_to_views(self, desk, monkeypatch):
        monkeypatch.setattr("anomalies.saved_views.MOST", 1)
        saved_view(desk, "One", "level=high")
        assert "You have 1 views" in saved_view(desk, "Two", "level=low").content.decode()

    def test_rename_and_delete(self, desk):
        for name in ("One", "Two"):
            saved_view(desk, name, f"level=high&merchant={name}")
        one = SavedView.objects.get(name="One")
        assert "You already have a view “Two”" in self.act(desk, one, "rename", name="Two").content.decode()
        self.act(desk, one, "rename", name="Three")
        assert set(SavedView.objects.values_list("name", flat=True)) == {"Two", "Three"}
        self.act(desk, one, "delete")
        assert SavedView.objects.get().name == "Two"

    def test_a_view_of_ones_own_is_nobody_elses(self, desk):
        saved_view(desk, "My own", "level=high")
        view = SavedView.objects.get()
        other = browser_of(with_rights("ben", "share_savedview"))
        assert "My own" not in other.get(QUEUE).content.decode()
        for what in ("rename", "delete", "share", "first"):
            assert self.act(other, view, what, name="x", shared="yes", first="yes").status_code == 404
        assert SavedView.objects.get().name == "My own"

    def test_a_lead_shares_and_everybody_sees_it(self, desk):
        lead = browser_of(with_rights("lea", "share_savedview"))
        saved_view(lead, "For all", "level=high")
        view = SavedView.objects.get()
        assert "Everybody sees the view" in self.act(lead, view, "share", shared="yes").content.decode()
        assert f'href="?{view.query}"' in desk.get(QUEUE).content.decode()
        entry = AuditEntry.objects.get(action="view.shared")
        assert (entry.actor, entry.before["shared"], entry.after["shared"]) == ("lea", False, True)
        assert self.act(desk, view, "rename", name="Ours").status_code == 404
        self.act(lead, view, "share", shared="no")
        assert "For all" not in desk.get(QUEUE).content.decode()

    def test_who_changes_or_deletes_a_shared_view_is_in_the_log(self):
        lead = browser_of(with_rights("lea", "share_savedview"))
        saved_view(lead, "For all", "level=high")
        view = SavedView.objects.get()
        self.act(lead, view, "share", shared="yes")
        saved_view(lead, "For all", "level=low")
        self.act(lead, view, "rename", name="For you")
        self.act(lead, view, "delete")
        told = AuditEntry.objects.filter(action="view.shared").order_by("position")
        after = [entry.after and entry.after["filters"] for entry in told]
        assert after == ["level=high", "level=low", "level=low", None]

    def test_only_who_may_share_shares(self, desk):
        saved_view(desk, "My own", "level=high")
        view = SavedView.objects.get()
        assert self.act(desk, view, "share", shared="yes").status_code == 403
        view.refresh_from_db()
        assert not view.is_shared

    def test_a_viewer_keeps_none(self, desk):
        user = AnalystFactory()
        user.user_permissions.set(Permission.objects.filter(codename="view_case"))
        viewer = browser_of(user)
        assert viewer.post(f"{SAVE}?level=high", {"name": "x"}).status_code == 403
        assert "Save view" not in viewer.get(f"{QUEUE}?level=high").content.decode()
        assert "Save view" in desk.get(f"{QUEUE}?level=high").content.decode()

    def test_the_queue_opens_with_the_view_that_is_shown_first(self, desk):
        for name, level in (("One", "high"), ("Two", "low")):
            saved_view(desk, name, f"level={level}")
            self.act(desk, SavedView.objects.get(name=name), "first", first="yes")
        assert desk.get(QUEUE).headers["Location"] == f"{QUEUE}?level=low"
        assert desk.get(f"{QUEUE}?state=todo").status_code == 200
        self.act(desk, SavedView.objects.get(name="Two"), "first", first="no")
        assert desk.get(QUEUE).status_code == 200

    def test_views_need_a_post_and_a_token(self, desk, analyst):
        saved_view(desk, "One", "level=high")
        strict = Client(enforce_csrf_checks=True)
        strict.force_login(analyst)
        assert strict.post(f"{SAVE}?level=high", {"name": "x"}).status_code == 403
        assert desk.get(SAVE).status_code == 405
