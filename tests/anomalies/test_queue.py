"""The queue through its door: what each filter finds, in which order, what it costs, and what stands in its tabs."""

import os
import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from anomalies.admin import cases as queue
from anomalies.admin.case_filters import parameters
from anomalies.desk import BulkChange, SavedView
from anomalies.models import AuditEntry, Case
from tests.anomalies import many
from tests.anomalies.findings import LARGE
from tests.factories import START, AnalystFactory, CaseFactory

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
QUEUE = reverse("admin:anomalies_case_changelist")
BULK = reverse("admin:anomalies_case_bulk")
SAVE = reverse("admin:anomalies_case_view_save")
# 200,000 and a million have been tried too.
CLOSED_CASES = int(os.environ.get("QUEUE_CLOSED_CASES", "60000"))
HOSTILE = "<script>alert(1)</script>"
# Each filter, and which of the cases of `assorted` it finds; none of them must fail on an empty queue.
FILTERS = {
    "": {"ann", "bob", "cat"},
    "state=open": {"ann"},
    "state=claimed": {"bob", "cat"},
    "state=mine": {"bob"},
    "state=closed": {"dan", "eve"},
    "state=all": {"ann", "bob", "cat", "dan", "eve"},
    "level=high": {"ann"},
    "level=medium&state=all": {"bob", "cat", "eve"},
    "level=low&state=all": {"dan"},
    "score_from=62": {"ann", "bob"},
    "score_from=61&score_to=70&state=all": {"bob", "cat", "eve"},
    "score_to=nan": set(),
    "amount_from=100": {"ann", "cat"},
    "amount_to=99.99": {"bob"},
    "amount_from=100&amount_to=100.00": {"cat"},
    "amount_from=1e400": set(),
    "amount_from=NaN": set(),
    "amount_from=lots": set(),
    "currency=usd": {"bob"},
    "currency=zzz": set(),
    "reason=own_amount": {"ann", "cat"},
    "reason=amount_over_median": {"ann"},
    "reason=amount_over_mean": {"cat"},
    "reason=velocity": {"bob"},
    "merchant=m-1": {"ann"},
    "merchant=m": set(),
    "merchant=%00": set(),
    "merchant=m-2&state=closed": {"dan"},
    "age=day": {"ann"},
    "age=week": {"ann", "bob"},
    "age=older": {"cat"},
    "analyst=me": {"bob"},
    "analyst=nobody": {"ann"},
    "analyst=me&state=all": {"bob", "dan"},
    "outcome=fraud": {"dan"},
    "outcome=expected": {"eve"},
    "outcome=unsure": set(),
    "outcome=fraud&state=closed": {"dan"},
    "closed_from=2024-06-01": {"dan", "eve"},
    "closed_to=2024-06-01&state=closed": {"dan"},
    "closed_to=9999-12-31": set(),
    "closed_from=yesterday": set(),
    "level=high&currency=EUR&amount_from=10&reason=own_amount&merchant=m-1&age=day&state=open&score_from=90": {"ann"},
}


@pytest.fixture
def analyst():
    return with_rights("ana")


@pytest.fixture
def desk(analyst):
    return browser_of(analyst)


def with_rights(name: str, *codenames: str):
    user = AnalystFactory(username=name)
    user.user_permissions.set(Permission.objects.filter(codename__in=["view_case", "review_case", *codenames]))
    return user


def browser_of(user) -> Client:
    browser = Client()
    browser.force_login(user)
    return browser


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


def listed(browser: Client, query: str) -> list:
    response = browser.get(f"{QUEUE}?{query}")
    assert response.status_code == 200
    return response.context["cl"].result_list


class TestFilters:
    @pytest.mark.parametrize(("query", "names"), FILTERS.items())
    def test_each_finds_what_it_says(self, desk, assorted, query, names):
        assert {assorted[case.pk] for case in listed(desk, query)} == names

    @pytest.mark.parametrize("query", FILTERS)
    def test_none_fails_on_an_empty_queue(self, desk, query):
        assert listed(desk, query) == []

    def test_every_parameter_has_a_line_in_the_table(self):
        asked = {part.split("=")[0] for query in FILTERS for part in query.split("&") if part}
        assert asked == set(parameters())

    @pytest.mark.parametrize("query", ["state=lost", "analyst=ana", "analyst=-1", "reason=luck", "outcome=x", "age=1"])
    def test_an_unknown_choice_is_not_ignored(self, desk, query):
        assert desk.get(f"{QUEUE}?{query}").status_code == 302

    @pytest.mark.parametrize(
        ("order", "names"),
        # Columns as they stand in the URL; the first click shows the most first.
        [
            ("1", "ann bob cat"),
            ("-1", "cat bob ann"),
            ("3", "bob ann cat"),
            ("5", "ann cat bob"),
            ("-5", "bob cat ann"),
            ("6", "cat bob ann"),
            ("-6", "ann bob cat"),
        ],
    )
    def test_it_is_sorted_by_priority_anomalies_amount_and_age(self, desk, assorted, order, names):
        assert [assorted[case.pk] for case in listed(desk, f"o={order}")] == names.split()

    def test_what_was_closed_last_stands_first_among_the_closed(self, desk, assorted):
        assert [assorted[case.pk] for case in listed(desk, "state=closed")] == ["eve", "dan"]

    def test_counts_stand_beside_the_states_and_heed_the_other_filters(self, desk, assorted):
        response = desk.get(QUEUE)
        assert {name: counted.rows for name, counted in response.context["cl"].counts.items()} == {
            "todo": 3, "open": 1, "mine": 1, "claimed": 2,
        }  # fmt: skip
        assert desk.get(f"{QUEUE}?level=high").context["cl"].counts["todo"] == (1, True)

    def test_a_count_that_stopped_says_so(self, desk, monkeypatch):
        monkeypatch.setattr(queue, "COUNTED_ROWS", 3)
        monkeypatch.setattr("anomalies.estimates.COUNTED_ROWS", 3)
        many.cases(5)
        text = desk.get(QUEUE).content.decode()
        assert '<span class="q-count">3+</span>' in text
        assert re.search(r"3\+\s+cases", text)

    def test_what_strangers_wrote_is_shown_as_text(self, desk):
        CaseFactory(
            reason={**LARGE, "code": HOSTILE}, top_reason=HOSTILE[:40], merchant_id=HOSTILE, currency="<b>", amount=1
        )
        saved_view(desk, HOSTILE, "level=high&merchant=" + HOSTILE)
        text = desk.get(f"{QUEUE}?merchant={HOSTILE}").content.decode()
        assert "<script>alert" not in text
        assert text.count("&lt;script&gt;alert(1)") >= 3


class TestClosed:
    """Of closed cases there may be millions."""

    def test_no_page_scans_them(self, desk):
        """A million differ from these by nothing but the depth of an index."""
        many.cases(CLOSED_CASES, state="closed")
        many.cases(1_000)
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE cases")
        more = ["state=closed&o=5", "state=all&o=3", "state=closed&p=20", "state=all&reason=velocity"]
        for query in [*FILTERS, *more]:
            with CaptureQueriesContext(connection) as made:
                found = listed(desk, query)
            asked = [one["sql"] for one in made if 'FROM "cases"' in one["sql"]]
            assert asked or not found, query
            for sql in asked:
                assert "Seq Scan on cases" not in plan(sql), (query, sql)

    @pytest.fixture
    def reach(self, monkeypatch):
        """Forty of 1,500 cases, two of which are merchant m-7's."""
        monkeypatch.setattr(queue, "CLOSED_IN_REACH", 40)
        many.cases(1_500, state="closed")

    def test_the_list_takes_those_closed_last(self, desk, reach):
        response = desk.get(f"{QUEUE}?state=closed")
        assert "Of the closed cases, those closed since" in response.content.decode()
        # The first beyond is taken too: others may have been closed in the same instant.
        assert response.context["cl"].paginator.count == 41

    def test_a_merchant_is_followed_further_back(self, desk, reach):
        assert {case.merchant_id for case in listed(desk, "state=closed&merchant=m-499")} == {"m-499"}

    def test_an_earlier_day_reaches_further_back(self, desk, reach):
        day = (timezone.now() - DAY).date()
        found = listed(desk, f"state=closed&closed_to={day}&o=6")
        assert 0 < len(found) <= 41
        assert {case.closed_at.date() for case in found} == {day}

    def test_a_user_is_found_however_long_ago(self, desk, reach):
        oldest = Case.objects.order_by("closed_at").first()
        assert listed(desk, f"state=closed&q={oldest.user_id}") == [oldest]


def plan(sql: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {sql}")
        return "\n".join(line for (line,) in cursor.fetchall())


@pytest.mark.parametrize(("query", "most"), [("", 8), ("state=mine", 8), ("state=closed", 10), ("state=all", 10)])
def test_the_number_of_queries_is_pinned(desk, django_assert_max_num_queries, query, most):
    many.cases(120)
    many.cases(60, state="closed")
    for number in range(5):
        saved_view(desk, f"v{number}", f"score_from={number + 1}")
    with django_assert_max_num_queries(most):
        listed(desk, query)


def saved_view(browser: Client, name: str, query: str):
    return browser.post(f"{SAVE}?{query}", {"name": name}, follow=True)


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
