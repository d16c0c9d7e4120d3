"""Models: made in shadow, measured beside the live one, and put live or retired. Name and weights never change.

A model judges the payments from the instant on at which it went live, and never the earlier ones: what was said of
these stays as it is, though they may be scored again.
"""

import re
from datetime import datetime, timedelta
from uuid import UUID

from django.db import IntegrityError, transaction

import scoring
from anomalies import audit, outbox
from anomalies.audit import Actor
from anomalies.models import ModelVersion
from scoring.weights import BadWeights, checked

State = ModelVersion.State
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
# As evaluations call the live one, whatever its name.
SERVER = "server"


class ModelError(ValueError):
    """What was asked for cannot be done; the text is a sentence for people."""


def named(name: str) -> ModelVersion:
    """Raises ModelError, which tells the names that there are."""
    found = ModelVersion.objects.filter(name=name).first()
    if found is None:
        names = ", ".join(ModelVersion.objects.order_by("created_at", "id").values_list("name", flat=True))
        raise ModelError(f"There is no model {name!r}. The models are: {names}.")
    return found


def live() -> ModelVersion:
    """The one by which payments are scored now."""
    return ModelVersion.objects.get(state=State.LIVE)


def candidates() -> list[ModelVersion]:
    """The live one, and those in shadow in the order in which they were made. One query."""
    found = ModelVersion.objects.exclude(state=State.RETIRED).order_by("created_at", "id")
    return sorted(found, key=lambda model: model.state != State.LIVE)


def in_turn() -> list[ModelVersion]:
    """Those that are or were live, in their order. One query."""
    return list(ModelVersion.objects.filter(live_from__isnull=False).order_by("live_from"))


def weights_told(model: ModelVersion) -> str:
    """In the order of the groups: the database keeps its own."""
    given = [f"{group} {model.weights[group]:g}" for group in scoring.GROUPS if group in model.weights]
    return ", ".join(given) or "all 1"


@transaction.atomic
def add(name: str, weights: object, *, by: Actor) -> ModelVersion:
    """A new model, in shadow. Raises ModelError."""
    if not NAME.fullmatch(name) or name == SERVER:
        raise ModelError(
            "A name has 1 to 64 of the characters a-z, 0-9, '.', '_' and '-', begins with a letter or a digit, "
            f"and is not {SERVER!r}."
        )
    try:
        known = checked(weights)
    except BadWeights as bad:
        raise ModelError(str(bad)) from bad
    try:
        with transaction.atomic():
            model = ModelVersion.objects.create(name=name, weights=known)
    except IntegrityError as error:
        raise ModelError(f"There is a model {name!r} already, and models never change: choose another name.") from error
    audit.write("model.added", by=by, subject=name, after={"weights": known})
    return model


@transaction.atomic
def retire(name: str, *, by: Actor) -> ModelVersion:
    """Put a model in shadow away for good. Raises ModelError."""
    model = named(name)
    state = _locked()[model.pk].state
    if state == State.LIVE:
        raise ModelError(f"{name} is live: it retires when another model is promoted.")
    if state == State.RETIRED:
        raise ModelError(f"{name} is retired already.")
    model.state = State.RETIRED
    model.save(update_fields=["state"])
    audit.write("model.retired", by=by, subject=name, before={"state": state}, after={"state": model.state})
    return model


def check_promotable(model: ModelVersion) -> None:
    """Raises ModelError unless the model is in shadow."""
    if model.state == State.LIVE:
        raise ModelError(f"{model.name} is live already.")
    if model.state == State.RETIRED:
        raise ModelError(f"{model.name} is retired: add a model with the same weights under another name.")


def put_live(model_id: UUID, *, instead_of: UUID, at: datetime, by: Actor) -> ModelVersion:
    """Let a model in shadow score the payments from `at` on, or from a moment after the one before it began.

    instead_of: the live one, as the caller last saw it. Of two who promote at once, the second is told. In the
    caller's transaction: the switch, its event and its entry in the audit log happen together. Raises ModelError.
    """
    known = _locked()
    model, before = known[model_id], known[instead_of]
    check_promotable(model)
    if before.state != State.LIVE:
        now_live = next(other.name for other in known.values() if other.state == State.LIVE)
        raise ModelError(f"Meanwhile {now_live} has gone live instead of {before.name}. Nothing was changed.")
    before.state, model.state = State.RETIRED, State.LIVE
    model.live_from = max(at, _began(before) + timedelta(microseconds=1))
    # First the one that goes: two are never live.
    before.save(update_fields=["state"])
    model.save(update_fields=["state", "live_from"])
    outbox.emit_many([outbox.model_promoted(model, replaces=before.name)])
    audit.write(
        "model.promoted",
        by=by,
        subject=model.name,
        before={"live": before.name},
        after={"live": model.name, "weights": model.weights, "live_from": model.live_from},
    )
    return model


def _began(model: ModelVersion) -> datetime:
    assert model.live_from is not None  # by a constraint
    return model.live_from


def _locked() -> dict[UUID, ModelVersion]:
    """All models, by their ids: nobody else changes one until the caller's transaction ends."""
    return {model.pk: model for model in ModelVersion.objects.order_by("pk").select_for_update()}
