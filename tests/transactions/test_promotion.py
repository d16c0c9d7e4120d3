"""A model with weights of its own: put live, it scores what comes from then on, one by one and in the batch."""

import threading
import time
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, connection, transaction
from django.test import override_settings

import scoring
from anomalies import model_versions, references
from anomalies.events import OutboxEvent
from anomalies.findings import BUILT_IN_MODEL, Scored
from anomalies.model_versions import ModelError
from anomalies.models import Anomaly, AuditEntry, ModelVersion, Reference
from tests.factories import AnalystFactory
from tests.transactions import traffic
from transactions import backlog, intake, norms, promotion, scorer
from transactions.models import Transaction
from transactions.rows import Row

pytestmark = pytest.mark.django_db

WEIGHTS = {"own_amount": 3.0, "hour": 0.0}
CUT = traffic.START + timedelta(days=30)
State = ModelVersion.State


@pytest.fixture(autouse=True)
def _nothing_kept_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(references, "_known", references._Known())


@pytest.fixture
def rows() -> tuple[list[Row], list[Row]]:
    """Before and after the model goes live; the first are stored and scored by the built-in model."""
    made = traffic.rows(3000, users=20)
    before, after = ([row for row in made if (row.txn_date < CUT) == early] for early in (True, False))
    intake.take(before, score=False)
    backlog.score_pending()
    return before, after


@pytest.fixture
def shadow() -> ModelVersion:
    return model_versions.add("steep", WEIGHTS, by=None)


def explained(row: Row) -> Scored:
    found = scorer.explain(user_id=row.user_id, txn_date=row.txn_date, id=row.id)
    assert isinstance(found, Scored)
    return found


def test_what_comes_after_is_scored_by_it_and_what_was_before_keeps_its_explanation(
    rows: tuple[list[Row], list[Row]], shadow: ModelVersion
) -> None:
    before, after = rows
    told = [explained(row) for row in before[-300:]]
    assert {one.model_version_id for one in told} == {BUILT_IN_MODEL}
    promotion.promote("steep", by=None)
    assert [explained(row) for row in before[-300:]] == told
    large = replace(next(row for row in after if row.amount), amount=Decimal(4000))
    (taken,) = intake.take([large])
    assert isinstance(taken.scored, Scored)
    assert taken.scored.model_version_id == shadow.pk
    reference = Reference.objects.get(pk=taken.scored.reference_id)
    assert reference.model_version_id == shadow.pk
    # As computed by hand: of the same reference without weights.
    weighed = scoring.Reference.from_bytes(bytes(reference.payload))
    plain = replace(weighed, weights=dict.fromkeys(scoring.GROUPS, 1.0))
    features = scorer.features_of(user_id=large.user_id, txn_date=large.txn_date, id=large.id)
    (parts,) = scoring.score(features, plain).contributions.tolist()
    by_hand = [_again(part, WEIGHTS.get(group, 1.0)) for group, part in zip(scoring.GROUPS, parts, strict=True)]
    assert taken.scored.raw == pytest.approx(sum(by_hand))
    assert taken.scored.raw == pytest.approx(sum(reason["contribution"] for reason in taken.scored.reasons))
    assert abs(taken.scored.raw - sum(parts)) > 0.5


def _again(part: float, weight: float) -> float:
    """A contribution of weight 1 with another weight: max(s - 1, 0) + s / 100, solved for the surprise s."""
    surprise = (part + 1) / 1.01 if part > 0.01 else part * 100
    return weight * max(surprise - 1, 0) + surprise / 100


def test_live_and_batch_agree_before_and_after_a_promotion(
    rows: tuple[list[Row], list[Row]], shadow: ModelVersion
) -> None:
    before, after = rows
    promotion.promote("steep", by=None)
    with override_settings(LIVE_CACHE_S=3600):
        live = {one.row.id: one.scored for row in after for one in intake.take([row])}
    assert {one.model_version_id for one in live.values() if isinstance(one, Scored)} == {shadow.pk}
    # References that became due meanwhile are the new model's; these judge from then on, and live did not have them.
    Anomaly.objects.all().delete()
    Transaction.objects.filter(txn_date__gte=CUT).delete()
    intake.take(after, score=False)
    with override_settings(ANOMALY_FLOOR=0):
        backlog.score_pending()
    first_new = min(until for model, until in references.built() if model == shadow.pk and until > CUT)
    batch = dict(Anomaly.objects.filter(txn_date__lt=first_new).values_list("transaction_id", "score"))
    assert len(batch) > 20
    found = {id: one.score for id, one in live.items() if id in batch and isinstance(one, Scored)}  # noqa: A001
    assert found == pytest.approx(batch, abs=1e-9)
    assert {model for model, until in references.built() if until > CUT} == {shadow.pk}


def test_a_process_notices_within_the_time_for_which_it_remembers(
    rows: tuple[list[Row], list[Row]], shadow: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    def judge() -> UUID | None:
        found = references.in_force(CUT + timedelta(days=1))
        return found and found.model_version_id

    with override_settings(LIVE_CACHE_S=600):
        assert judge() == BUILT_IN_MODEL
        promotion.promote("steep", by=None)
        assert judge() == BUILT_IN_MODEL
        now = time.monotonic()
        monkeypatch.setattr(time, "monotonic", lambda: now + 600)
        assert judge() == shadow.pk


def test_a_late_row_of_the_time_before_is_scored_by_the_model_of_that_time(
    rows: tuple[list[Row], list[Row]], shadow: ModelVersion
) -> None:
    promotion.promote("steep", by=None)
    late = replace(rows[0][-1], id=UUID(int=5), amount=Decimal("9.99"))
    late = replace(late, txn_date=late.txn_date - timedelta(days=1))
    (taken,) = intake.take([late])
    assert isinstance(taken.scored, Scored)
    assert taken.scored.model_version_id == BUILT_IN_MODEL


def test_promoting_tells_once_and_writes_it_down(rows: tuple[list[Row], list[Row]], shadow: ModelVersion) -> None:
    by: User = AnalystFactory()
    newest = max(row.txn_date for row in rows[0])
    model = promotion.promote("steep", by=by)
    assert (model.state, model.live_from) == (State.LIVE, newest + timedelta(microseconds=1))
    assert ModelVersion.objects.get(pk=BUILT_IN_MODEL).state == State.RETIRED
    (event,) = OutboxEvent.objects.filter(kind="model.promoted")
    assert (event.user_id, event.subject) == (None, shadow.pk)
    assert {name: event.body[name] for name in ("name", "weights", "replaces")} == {
        "name": "steep", "weights": WEIGHTS, "replaces": "surprise-1",
    }  # fmt: skip
    entry = AuditEntry.objects.get(action="model.promoted")
    assert (entry.actor, entry.subject, entry.before) == (by.username, "steep", {"live": "surprise-1"})


def test_a_model_may_go_live_before_there_is_anything_to_score(shadow: ModelVersion) -> None:
    promotion.promote("steep", by=None)
    intake.take(traffic.rows(1500, users=10), score=False)
    backlog.score_pending()
    assert {model for model, _ in references.built()} == {shadow.pk}
    assert set(Anomaly.objects.values_list("model_version_id", flat=True)) == {shadow.pk}


def test_a_model_that_cannot_score_does_not_go_live(rows: tuple[list[Row], list[Row]], shadow: ModelVersion) -> None:
    """Hardly anything is left of the last four weeks."""
    Transaction.objects.filter(txn_date__lt=CUT - timedelta(days=1)).delete()
    with pytest.raises(ModelError, match="too few payments"):
        promotion.promote("steep", by=None)
    assert model_versions.live().pk == BUILT_IN_MODEL
    assert not OutboxEvent.objects.filter(kind="model.promoted").exists()


def test_what_cannot_be_promoted_is_told() -> None:
    for name, told in (("none", "The models are: surprise-1."), ("surprise-1", "is live already")):
        with pytest.raises(ModelError, match=told):
            promotion.promote(name, by=None)
    model_versions.add("steep", {}, by=None)
    model_versions.retire("steep", by=None)
    with pytest.raises(ModelError, match="is retired"):
        promotion.promote("steep", by=None)


def test_of_two_who_promote_the_second_is_told(shadow: ModelVersion) -> None:
    other = model_versions.add("other", {}, by=None)
    promotion.promote("steep", by=None)
    with pytest.raises(ModelError, match=r"Meanwhile steep has gone live instead of surprise-1\. Nothing was changed"):
        model_versions.put_live(other.pk, instead_of=BUILT_IN_MODEL, at=CUT, by=None)
    other.refresh_from_db()
    assert other.state == State.SHADOW


def test_models_follow_on_one_another(shadow: ModelVersion) -> None:
    model_versions.add("next", {}, by=None)
    for name in ("steep", "next"):
        promotion.promote(name, by=None)
    assert [model.name for model in model_versions.in_turn()] == ["surprise-1", "steep", "next"]
    assert [model.state for model in model_versions.in_turn()] == ["retired", "retired", "live"]


def test_each_reference_judges_in_the_time_of_its_model() -> None:
    """Of a model from day 0 on that has references at the ends 1, 3, 5 and 9, and one from 4 on with 3, 6 and 8."""
    day = [traffic.START + timedelta(days=number) for number in range(10)]
    first, second = UUID(int=1), UUID(int=2)
    kept = [(day[0], day[end], UUID(int=10 + end), first) for end in (1, 3, 5, 9)]
    kept += [(day[4], day[end], UUID(int=20 + end), second) for end in (2, 3, 6, 8)]
    turns = references.in_turn(sorted(kept, key=lambda row: row[1]))
    assert [(day.index(turn.begins), turn.id.int) for turn in turns] == [(1, 11), (3, 13), (4, 23), (6, 26), (8, 28)]
    assert references.in_turn([]) == []


def test_references_are_due_for_the_model_of_their_time_and_for_one_that_begins() -> None:
    day = [traffic.START + timedelta(days=number) for number in range(10)]
    first, second = (ModelVersion(name=name, live_from=day[at]) for name, at in (("first", 0), ("second", 5)))
    due = norms.judging([day[end] for end in (1, 3, 4, 6, 8)], [first, second])
    found = [(day.index(end), model.name) for end, model in due]
    assert found == [(1, "first"), (3, "first"), (4, "first"), (4, "second"), (6, "second"), (8, "second")]


@pytest.mark.parametrize("name", ["", "server", "A", "-x", "a b", "a" * 65, "é"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(ModelError, match="A name has 1 to 64"):
        model_versions.add(name, {}, by=None)


def test_a_name_is_used_once_and_weights_are_checked(shadow: ModelVersion) -> None:
    with pytest.raises(ModelError, match="There is a model 'steep' already"):
        model_versions.add("steep", {}, by=None)
    with pytest.raises(ModelError, match="There is no group 'hours'"):
        model_versions.add("other", {"hours": 1}, by=None)


def test_the_live_model_does_not_retire_and_others_do_once(shadow: ModelVersion) -> None:
    with pytest.raises(ModelError, match="surprise-1 is live"):
        model_versions.retire("surprise-1", by=None)
    assert model_versions.retire("steep", by=None).state == State.RETIRED
    with pytest.raises(ModelError, match="retired already"):
        model_versions.retire("steep", by=None)
    assert list(AuditEntry.objects.order_by("position").values_list("action", flat=True)) == [
        "model.added", "model.retired",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("state", "live_from"), [(State.SHADOW, CUT), (State.LIVE, None), (State.RETIRED, traffic.START)]
)
def test_the_database_forbids_states_that_cannot_be(state: str, live_from: object) -> None:
    ModelVersion.objects.filter(pk=BUILT_IN_MODEL).update(state=State.RETIRED, live_from=traffic.START)
    with pytest.raises(IntegrityError), transaction.atomic():
        ModelVersion.objects.create(name="other", state=state, live_from=live_from)


@pytest.mark.django_db(transaction=True)
def test_two_promotions_at_once_have_one_winner() -> None:
    for name in ("one", "two"):
        model_versions.add(name, {}, by=None)
    # Both have built what they need, and switch at the same moment.
    start, told = threading.Barrier(2), {}

    def promote(name: str) -> None:
        try:
            with transaction.atomic():
                model = ModelVersion.objects.get(name=name)
                start.wait()
                model_versions.put_live(model.pk, instead_of=BUILT_IN_MODEL, at=CUT, by=None)
            told[name] = "live"
        except ModelError as error:
            told[name] = str(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=promote, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = [name for name, what in told.items() if what == "live"]
    (loser,) = told.keys() - {winner}
    assert told[loser] == f"Meanwhile {winner} has gone live instead of surprise-1. Nothing was changed."
    assert ModelVersion.objects.get(state=State.LIVE).name == winner
    assert OutboxEvent.objects.filter(kind="model.promoted").count() == 1
