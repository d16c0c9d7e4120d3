"""Many cases changed at once, through the queue's door: counted, confirmed, and done."""

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone

from anomalies.desk import BulkChange
from anomalies.models import Case
from tests.anomalies import many
from tests.anomalies.queue.desks import BULK, DAY, QUEUE, browser_of, with_rights
from tests.factories import AnalystFactory, CaseFactory

pytestmark = pytest.mark.django_db


class TestBulk:
    def wish(self, browser: Client, query: str = "", **data):
        return browser.post(f"{BULK}?{query}", data, follow=True)

    def test_the_selected_are_counted_confirmed_and_judged(self, desk, analyst):
        one, two, _other = many.cases(3, anomalies=2)
        asked = self.wish(desk, scope="selected", case=[one, two], do="verdict:fraud")
        text = asked.content.decode()
        assert "Exactly <b>2</b> cases" in text
        assert Case.objects.filter(state="open").count() == 3
        done = desk.post(asked.request["PATH_INFO"], {"note": "Seen."}, follow=True).content.decode()
        assert "Cases judged and closed: 2, with 4 verdicts." in done
        assert set(Case.objects.filter(state="closed").values_list("pk", "closed_by")) == {
            (one, analyst.pk), (two, analyst.pk),
        }  # fmt: skip

    def test_all_filtered_are_those_that_the_filters_find_on_every_page(self, desk):
        many.cases(200)
        asked = self.wish(desk, "currency=EUR", scope="filtered", do="close:legitimate")
        assert "Exactly <b>180</b> cases" in asked.content.decode()
        back = desk.post(asked.request["PATH_INFO"])
        assert back.headers["Location"] == f"{QUEUE}?currency=EUR"
        assert set(Case.objects.filter(state="closed").values_list("currency", flat=True)) == {"EUR"}
        assert Case.objects.filter(state="open").count() == 20

    def test_a_long_change_goes_on_page_by_page(self, desk, monkeypatch):
        monkeypatch.setattr("anomalies.bulk.CHUNK", 2)
        monkeypatch.setattr("anomalies.admin.bulk_actions.WORK_S", -1.0)
        monkeypatch.setattr("anomalies.admin.bulk_actions.time.monotonic", iter(range(100)).__next__)
        many.cases(3)
        asked = self.wish(desk, scope="filtered", do="close:fraud")
        path = asked.request["PATH_INFO"]
        assert desk.post(path, {"note": "All."}).headers["Location"] == path
        assert Case.objects.filter(state="closed").count() == 0
        monkeypatch.setattr("anomalies.admin.bulk_actions.WORK_S", 1.5)
        assert desk.post(path, {"note": "All."}).headers["Location"] == path
        assert "2 of 3 cases have been looked at" in desk.get(path).content.decode()
        assert "data-goes-on" in desk.get(path).content.decode()
        assert "Cases closed: 3." in desk.post(path, follow=True).content.decode()
        assert "Cases closed: 3." in desk.get(path).content.decode()
        assert BulkChange.objects.get().note == "All."

    def test_what_is_left_out_is_told_before_and_after(self, desk):
        many.cases(2)
        CaseFactory(state="claimed", assignee=AnalystFactory(), lease_until=timezone.now() + DAY)
        asked = self.wish(desk, scope="filtered", do="close:fraud")
        assert "Left out: somebody else works on them" in asked.content.decode()
        assert "Close 2 cases as fraud" in asked.content.decode()
        text = desk.post(asked.request["PATH_INFO"], follow=True).content.decode()
        assert "Left out, because somebody else works on them: 1." in text

    def test_an_analyst_takes_and_a_lead_gives(self, desk, analyst):
        (one,) = many.cases(1)
        lead = browser_of(with_rights("lea", "reassign_case"))
        asked = self.wish(lead, scope="filtered", do="assign", assignee=str(analyst.pk))
        lead.post(asked.request["PATH_INFO"])
        assert Case.objects.get(pk=one).assignee == analyst
        assert self.wish(desk, scope="filtered", do="assign", assignee="1000000").status_code == 403
        two, _three = many.cases(2)
        asked = self.wish(desk, scope="selected", case=[two], do="assign")
        desk.post(asked.request["PATH_INFO"])
        assert Case.objects.get(pk=two).assignee == analyst

    @pytest.mark.parametrize(
        ("data", "sentence"),
        [
            ({"scope": "selected", "do": "verdict:fraud"}, "There is no case to change"),
            ({"scope": "selected", "case": ["x"], "do": "verdict:fraud"}, "These are no cases."),
            ({"scope": "filtered", "do": "verdict:guilty"}, "Choose one of fraud"),
            ({"scope": "filtered"}, "Choose what to do"),
        ],
    )
    def test_what_makes_no_sense_is_told_in_the_queue(self, desk, data, sentence):
        many.cases(1)
        assert sentence in self.wish(desk, **data).content.decode()
        assert not BulkChange.objects.exists()

    @pytest.mark.parametrize(
        ("query", "told"), [("level=x", "These filters cannot be read"), ("amount_to=x", "There is no case to change")]
    )
    def test_filters_that_cannot_be_read_mean_nothing_at_all(self, desk, query, told):
        many.cases(1)
        assert told in self.wish(desk, query, scope="filtered", do="close:fraud").content.decode()
        assert not BulkChange.objects.exists()

    def test_a_viewer_is_refused_and_sees_no_boxes(self, desk):
        (one,) = many.cases(1)
        user = AnalystFactory()
        user.user_permissions.set(Permission.objects.filter(codename="view_case"))
        viewer = browser_of(user)
        assert viewer.post(BULK, {"scope": "selected", "case": [one], "do": "close:fraud"}).status_code == 403
        assert 'id="bulk"' not in viewer.get(QUEUE).content.decode()
        assert 'class="c-pick"' not in viewer.get(QUEUE).content.decode()
        assert 'class="c-pick"' in desk.get(QUEUE).content.decode()

    def test_a_change_is_seen_and_done_by_its_author_only(self, desk):
        many.cases(1)
        path = self.wish(desk, scope="filtered", do="close:fraud").request["PATH_INFO"]
        other = browser_of(with_rights("ben"))
        assert other.get(path).status_code == other.post(path).status_code == 404
        assert Case.objects.get().state == "open"
