"""Recording findings: which become anomalies, which stop being one, and what cases come of them."""

import math
import threading
from datetime import timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from django.db import connection, transaction

from anomalies import cases
from anomalies.models import Anomaly, Case, Verdict
from anomalies.record import record, standing
from tests.anomalies.findings import finding, reference
from tests.factories import START, AnalystFactory, AnomalyFactory, CaseFactory, ReferenceFactory, VerdictFactory

DAY = timedelta(days=1)
USER = UUID(int=1)
OTHER = UUID(int=2)


@pytest.mark.django_db
class TestAnomalies:
    def test_a_finding_at_the_floor_becomes_an_anomaly_and_one_below_does_not(self):
        recorded = record([finding(user=USER, score=40.0), finding(user=USER, score=39.99)], threshold=101)
        assert recorded.kept == 1
        assert [anomaly.score for anomaly in Anomaly.objects.all()] == [40.0]

    def test_an_anomaly_keeps_the_transaction_and_the_score_as_they_were(self):
        reasons = [{"code": "amount", "contribution": 2.5, "values": {"times": 18.25}}]
        found = finding(
            user=USER,
            score=63.1,
            amount=Decimal("90071992547409.93"),
            merchant_id="m'); drop table --",
            reasons=reasons,
            features={"times": 18.25, "unknown": math.nan},
        )
        record([found], threshold=101)
        anomaly = Anomaly.objects.get()
        assert anomaly.transaction_id == found.transaction_id
        assert anomaly.amount == Decimal("90071992547409.93")
        assert anomaly.merchant_id == "m'); drop table --"
        assert anomaly.txn_date == START
        assert (anomaly.score, anomaly.rarity, anomaly.raw) == (63.1, found.scored.rarity, 2.5)
        assert anomaly.reasons == reasons
        assert anomaly.features == {"times": 18.25}

    def test_recording_twice_changes_nothing(self):
        found = [finding(user=USER, score=70.0), finding(user=OTHER, score=50.0)]
        record(found, threshold=60)
        before = list(Anomaly.objects.order_by("pk").values()), list(Case.objects.values())
        again = record(found, threshold=60)
        assert again.opened == ()
        assert (list(Anomaly.objects.order_by("pk").values()), list(Case.objects.values())) == before

    def test_a_new_score_replaces_the_old_one_and_the_anomaly_stays_in_its_case(self):
        found = finding(user=USER, score=70.0)
        record([found], threshold=60)
        record([finding(user=USER, score=82.0, transaction=found.transaction_id)], threshold=60)
        anomaly = Anomaly.objects.select_related("case").get()
        assert anomaly.score == 82.0
        assert anomaly.case.priority == 82.0

    def test_many_findings_take_as_many_statements_as_few(self, django_assert_max_num_queries):
        ReferenceFactory()
        found = [finding(user=uuid4(), score=70.0) for _ in range(500)]
        with django_assert_max_num_queries(10):
            record(found, threshold=60)
        assert Anomaly.objects.count() == Case.objects.count() == 500

    def test_nothing_found_asks_the_database_nothing(self, django_assert_num_queries):
        with django_assert_num_queries(0):
            assert record([], threshold=60).kept == 0


@pytest.mark.django_db
class TestStaleAnomalies:
    def test_a_finding_below_the_floor_drops_its_anomaly(self):
        anomaly = AnomalyFactory()
        recorded = record([finding(user=anomaly.user_id, score=12.0, transaction=anomaly.transaction_id)], threshold=60)
        assert recorded.dropped == 1
        assert not Anomaly.objects.exists()

    def test_what_a_rescored_range_did_not_find_again_is_dropped(self):
        before = AnomalyFactory(user_id=USER, transaction__txn_date=START - DAY)
        found_again = AnomalyFactory(user_id=USER, transaction__txn_date=START)
        AnomalyFactory(user_id=USER, transaction__txn_date=START + DAY)
        others = AnomalyFactory(user_id=OTHER, transaction__txn_date=START + DAY)
        again = finding(user=USER, score=55.0, transaction=found_again.transaction_id)
        recorded = record([again], rescored=standing([USER], [START]), threshold=60)
        assert recorded.dropped == 1
        assert set(Anomaly.objects.all()) == {before, found_again, others}

    def test_a_judged_anomaly_stays_below_the_floor_with_its_new_score(self):
        anomaly = AnomalyFactory()
        VerdictFactory(transaction=anomaly.transaction)
        record([finding(user=anomaly.user_id, score=12.0, transaction=anomaly.transaction_id)], threshold=60)
        assert Anomaly.objects.get().score == 12.0

    def test_an_anomaly_whose_verdict_was_withdrawn_goes_as_if_nobody_had_judged_it(self):
        anomaly = AnomalyFactory(user_id=USER)
        VerdictFactory(transaction=anomaly.transaction, known_at=START)
        VerdictFactory(transaction=anomaly.transaction, value=Verdict.WITHDRAWN)
        assert [stood.judged for stood in standing([USER], [START - DAY])] == [False]
        record([finding(user=USER, score=12.0, transaction=anomaly.transaction_id)], threshold=60)
        assert not Anomaly.objects.exists()

    def test_an_anomaly_of_a_closed_case_stays_and_so_does_the_case(self):
        case = CaseFactory(user_id=USER, state="closed", priority=65.0, anomaly_count=1)
        anomaly = AnomalyFactory(user_id=USER, case=case)
        record([], rescored=standing([USER], [START - DAY]), threshold=60)
        record([finding(user=USER, score=12.0, transaction=anomaly.transaction_id)], threshold=60)
        assert Anomaly.objects.get().score == 12.0
        case.refresh_from_db()
        assert (case.state, case.priority, case.anomaly_count) == ("closed", 65.0, 1)

    def test_standing_tells_the_judged_anomalies_of_a_rescored_range(self):
        judged = AnomalyFactory(user_id=USER)
        VerdictFactory(transaction=judged.transaction)
        closed = AnomalyFactory(user_id=USER, case=CaseFactory(user_id=USER, state="closed"))
        AnomalyFactory(user_id=USER)
        judged_ones = {stood.transaction_id for stood in standing([USER], [START - DAY]) if stood.judged}
        assert judged_ones == {judged.transaction_id, closed.transaction_id}

    def test_a_case_counts_again_what_is_left_of_it(self):
        high, low = finding(user=USER, score=90.0), finding(user=USER, score=62.0, at=START + DAY)
        record([high, low], threshold=60)
        record([low], rescored=standing([USER], [START]), threshold=60)
        case = Case.objects.get()
        assert (case.priority, case.anomaly_count, case.latest_at) == (62.0, 1, START + DAY)

    def test_an_open_case_left_with_nothing_goes_and_a_claimed_one_stays_for_its_analyst(self):
        record([finding(user=USER, score=90.0), finding(user=OTHER, score=90.0)], threshold=60)
        cases.claim(Case.objects.get(user_id=OTHER).pk, by=AnalystFactory())
        record([], rescored=standing([USER, OTHER], [START, START]), threshold=60)
        case = Case.objects.get()
        assert (case.user_id, case.state, case.anomaly_count, case.priority) == (OTHER, "claimed", 0, 0.0)


@pytest.mark.django_db
class TestCases:
    def test_an_anomaly_at_the_threshold_opens_a_case(self):
        recorded = record([finding(user=USER, score=60.0)], threshold=60.0)
        case = Case.objects.get()
        assert recorded.opened == (case.pk,)
        assert (case.user_id, case.state, case.priority, case.anomaly_count) == (USER, "open", 60.0, 1)
        assert case.latest_at == START
        assert Anomaly.objects.get().case == case

    def test_an_anomaly_below_the_threshold_stands_alone(self):
        record([finding(user=USER, score=59.9)], threshold=60.0)
        assert not Case.objects.exists()
        assert Anomaly.objects.get().case is None

    def test_a_case_gathers_the_users_anomalies_whatever_their_score(self):
        record([finding(user=USER, score=45.0, at=START - DAY)], threshold=60.0)
        record([finding(user=USER, score=80.0)], threshold=60.0)
        record([finding(user=USER, score=41.0, at=START + DAY), finding(user=OTHER, score=41.0)], threshold=60.0)
        case = Case.objects.get()
        assert (case.anomaly_count, case.priority, case.latest_at) == (3, 80.0, START + DAY)
        assert set(case.anomalies.values_list("user_id", flat=True)) == {USER}

    def test_a_case_reaches_back_no_further_than_two_weeks(self):
        record([finding(user=USER, score=45.0, at=START - 15 * DAY)], threshold=60.0)
        record([finding(user=USER, score=80.0)], threshold=60.0)
        assert Case.objects.get().anomaly_count == 1

    def test_a_second_alert_of_the_user_joins_the_open_case(self):
        record([finding(user=USER, score=80.0)], threshold=60.0)
        recorded = record([finding(user=USER, score=95.0, at=START + DAY)], threshold=60.0)
        case = Case.objects.get()
        assert recorded.opened == ()
        assert (case.anomaly_count, case.priority) == (2, 95.0)

    def test_an_alert_after_the_case_was_closed_opens_a_new_one(self):
        record([finding(user=USER, score=80.0)], threshold=60.0)
        cases.close(Case.objects.get().pk, outcome="legitimate", by=AnalystFactory())
        record([finding(user=USER, score=70.0, at=START + DAY)], threshold=60.0)
        new = Case.objects.get(state="open")
        assert (new.anomaly_count, new.priority) == (1, 70.0)

    def test_what_a_closed_case_holds_opens_no_case_when_it_is_rescored(self):
        found = finding(user=USER, score=80.0)
        record([found], threshold=60.0)
        cases.close(Case.objects.get().pk, outcome="expected", by=AnalystFactory())
        record([found], rescored=standing([USER], [START]), threshold=60.0)
        assert Case.objects.get().state == "closed"

    def test_what_was_judged_without_a_case_opens_none(self):
        anomaly = AnomalyFactory(user_id=USER, score=50.0)
        VerdictFactory(transaction=anomaly.transaction)
        record([finding(user=USER, score=80.0, transaction=anomaly.transaction_id)], threshold=60.0)
        assert not Case.objects.exists()

    def test_a_backfill_opens_no_case_for_ancient_history(self):
        old = finding(user=OTHER, score=95.0, at=START - 14 * DAY - timedelta(seconds=1))
        record([old, finding(user=USER, score=80.0)], threshold=60.0)
        assert Case.objects.get().user_id == USER

    def test_the_caller_may_say_from_when_on_cases_open(self):
        old = finding(user=USER, score=95.0, at=START - 30 * DAY)
        record([old, finding(user=OTHER, score=80.0)], threshold=60.0, cases_since=START - 31 * DAY)
        assert Case.objects.count() == 2

    def test_a_run_may_open_its_cases_at_the_end(self):
        record([finding(user=USER, score=80.0), finding(user=OTHER, score=50.0)], threshold=math.inf)
        assert not Case.objects.exists()
        assert cases.open_due(threshold=60.0, since=START - DAY) == 1
        assert cases.open_due(threshold=60.0, since=START - DAY) == 0
        assert Case.objects.get().user_id == USER


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_writers_who_meet_at_one_user_make_one_case_and_lose_nothing():
    reference()
    users = [uuid4() for _ in range(5)]
    errors: list[BaseException] = []
    start = threading.Barrier(4)

    def write(number: int) -> None:
        try:
            start.wait()
            for turn in range(5):
                at = START + timedelta(minutes=10 * turn + number)
                with transaction.atomic():
                    record([finding(user=user, score=80.0, at=at) for user in users], threshold=60.0)
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert sorted(Case.objects.values_list("user_id", "anomaly_count")) == sorted((user, 20) for user in users)
    assert not Anomaly.objects.filter(case=None).exists()


@pytest.mark.parametrize("closes_first", [True, False])
@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_an_alert_that_meets_a_closing_analyst_opens_a_new_case(closes_first):
    """The alert waits for the analyst's lock, before opening a case or before joining the one it saw."""
    with transaction.atomic():
        record([finding(user=USER, score=80.0)], threshold=60.0)
    old = Case.objects.get()
    analyst = AnalystFactory()
    errors: list[BaseException] = []

    def arrive() -> None:
        try:
            with transaction.atomic():
                record([finding(user=USER, score=90.0, at=START + DAY)], threshold=60.0)
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()

    alert = threading.Thread(target=arrive)
    with transaction.atomic():
        Case.objects.select_for_update().get(pk=old.pk)
        if closes_first:
            cases.close(old.pk, outcome="fraud", by=analyst)
        alert.start()
        alert.join(timeout=0.3)
        assert alert.is_alive()
        if not closes_first:
            cases.close(old.pk, outcome="fraud", by=analyst)
    alert.join()
    assert errors == []
    new = Case.objects.get(state="open")
    assert list(new.anomalies.values_list("score", flat=True)) == [90.0]


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_what_another_writer_adds_meanwhile_stays_and_the_rest_is_added():
    found, other = finding(user=USER, score=55.0), finding(user=OTHER, score=50.0)
    recorded: list[int] = []

    def write() -> None:
        try:
            with transaction.atomic():
                recorded.append(record([found, other], threshold=math.inf).kept)
        finally:
            connection.close()

    second = threading.Thread(target=write)
    with transaction.atomic():
        record([found], threshold=math.inf)
        second.start()
        # It has seen no anomaly there, and waits for what becomes of this one.
        second.join(timeout=0.3)
        assert second.is_alive()
    second.join()
    assert recorded == [2]
    assert sorted(Anomaly.objects.values_list("transaction_id", "score")) == sorted(
        (one.transaction_id, one.scored.score) for one in (found, other)
    )
