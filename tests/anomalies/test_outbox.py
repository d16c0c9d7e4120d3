"""The outbox: what is told, in which order, and that a reader who goes on from a place misses nothing."""

import threading
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.db import connection, transaction
from django.utils import timezone

from anomalies import cases, handing, outbox, verdicts
from anomalies.events import OutboxEvent
from anomalies.models import Case
from anomalies.record import record
from tests.anomalies.findings import LARGE, finding
from tests.factories import AnomalyFactory, CaseFactory

USER = UUID(int=1)


def tell(number: int, *, user: UUID = USER, score: float | None = None) -> None:
    outbox.emit("anomaly.created", user_id=user, subject=UUID(int=number), body={"number": number}, score=score)


def numbers(read: list[outbox.Written]) -> list[int]:
    return [event.body["number"] for event in read]


def kinds() -> list[str]:
    return [event.kind for event in OutboxEvent.objects.all()]


@pytest.mark.django_db(transaction=True)
class TestReading:
    def test_events_come_in_the_order_of_writing(self) -> None:
        for number in range(50):
            with transaction.atomic():
                tell(2 * number)
                tell(2 * number + 1)
        assert numbers(outbox.read_after(0, limit=1_000)) == list(range(100))

    def test_walking_by_small_steps_sees_each_once(self) -> None:
        with transaction.atomic():
            for number in range(25):
                tell(number)
        seen, place = [], 0
        while read := outbox.read_after(place, limit=4):
            seen += numbers(read)
            place = read[-1].position
        assert seen == list(range(25))

    def test_what_commits_late_is_not_missed(self) -> None:
        release = self._written_but_not_committed(1)
        tell(2)
        (read,) = outbox.read_after(0, limit=10)
        release()
        assert read.body == {"number": 2}
        assert numbers(outbox.read_after(read.position, limit=10)) == [1]

    def test_positions_go_on_where_old_events_were_removed(self) -> None:
        tell(1)
        place = outbox.end()
        OutboxEvent.objects.all().delete()
        tell(2)
        assert numbers(outbox.read_after(place, limit=10)) == [2]

    def test_readers_who_give_positions_at_once_agree(self) -> None:
        for number in range(40):
            tell(number)
        seen: list[list[tuple[int, int]]] = []

        def work() -> None:
            read = outbox.read_after(0, limit=100)
            seen.append([(event.position, event.body["number"]) for event in read])
            connection.close()

        readers = [threading.Thread(target=work) for _ in range(4)]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
        assert len(seen) == 4
        assert all(one == seen[0] for one in seen)
        assert [number for _, number in seen[0]] == list(range(40))

    def test_what_is_rolled_back_was_never_told(self) -> None:
        with transaction.atomic():
            tell(1)
            transaction.set_rollback(True)
        assert outbox.read_after(0, limit=10) == []

    def test_the_end_is_behind_all_that_can_be_read(self) -> None:
        tell(1)
        place = outbox.end()
        tell(2)
        assert numbers(outbox.read_after(place, limit=10)) == [2]

    def test_only_what_is_asked_for(self) -> None:
        tell(1, score=50.0)
        tell(2, user=UUID(int=2), score=70.0)
        outbox.emit("case.closed", user_id=USER, subject=UUID(int=3), body={"number": 3})
        assert numbers(outbox.read_after(0, limit=10, user_id=USER)) == [1, 3]
        assert numbers(outbox.read_after(0, limit=10, min_score=60)) == [2]
        assert numbers(outbox.read_after(0, limit=10, kinds=["case.closed"])) == [3]

    def test_a_commit_is_heard(self) -> None:
        connection.ensure_connection()
        with connection.cursor() as cursor:
            cursor.execute("LISTEN outbox")
            with transaction.atomic():
                tell(1)
                tell(2)
            heard = list(connection.connection.notifies(timeout=120, stop_after=1))
            cursor.execute("UNLISTEN outbox")
        assert [one.channel for one in heard] == ["outbox"]

    @staticmethod
    def _written_but_not_committed(number: int) -> Callable[[], None]:
        """Another session that has written an event; the answer lets it commit."""
        wrote, may_commit = threading.Event(), threading.Event()

        def work() -> None:
            with transaction.atomic():
                tell(number)
                wrote.set()
                may_commit.wait(120)
            connection.close()

        thread = threading.Thread(target=work)
        thread.start()
        assert wrote.wait(120)

        def release() -> None:
            may_commit.set()
            thread.join(120)

        return release


@pytest.mark.django_db
class TestCauses:
    def test_a_new_anomaly_and_its_case_are_told_with_the_reasons_in_words(self) -> None:
        found = finding(user=USER, score=70.0, at=timezone.now(), reasons=[LARGE])
        record([found], threshold=60)
        anomaly, case = OutboxEvent.objects.all()
        assert (anomaly.kind, anomaly.subject, anomaly.user_id) == ("anomaly.created", found.transaction_id, USER)
        assert anomaly.body["amount"] == "42.50"
        assert "median" in anomaly.body["reasons"][0]["sentence"]
        assert (case.kind, case.subject) == ("case.opened", Case.objects.get().pk)
        assert case.body["priority"] == 70.0

    def test_scoring_again_tells_nothing_new(self) -> None:
        found = finding(user=USER, score=70.0, at=timezone.now())
        record([found], threshold=60)
        record([found], threshold=60)
        assert kinds() == ["anomaly.created", "case.opened"]

    def test_history_is_no_news(self) -> None:
        record([finding(user=USER, score=70.0, at=timezone.now() - timedelta(days=8))], threshold=101)
        assert kinds() == []

    def test_a_verdict_on_a_case_is_told_and_so_is_its_undoing(self, analyst) -> None:
        case = CaseFactory(user_id=USER)
        anomaly = AnomalyFactory(user_id=USER, case=case)
        cases.judge(case.pk, value="fraud", by=analyst)
        assert kinds() == ["verdict.created", "case.closed"]
        handing.undo(case.pk, by=analyst)
        told = list(OutboxEvent.objects.values_list("kind", "body"))
        assert [kind for kind, _ in told[2:]] == ["case.opened", "verdict.created"]
        assert told[1][1]["closed_by"] == "ana"
        assert told[2][1]["reopened"] is True
        assert (told[3][1]["value"], told[3][1]["transaction_id"]) == ("withdrawn", str(anomaly.pk))

    def test_a_verdict_from_outside_is_told(self) -> None:
        verdict = verdicts.give(transaction_id=uuid4(), user_id=USER, value="fraud", source="chargeback")
        event = OutboxEvent.objects.get()
        assert (event.kind, event.subject, event.body["source"]) == ("verdict.created", verdict.pk, "chargeback")
