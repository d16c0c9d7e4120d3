"""Putting a model live: its references first, which takes a while, and then the switch in one database transaction."""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from anomalies import model_versions, references
from anomalies.audit import Actor
from anomalies.model_versions import ModelError
from anomalies.models import ModelVersion
from transactions import norms
from transactions.instants import EPOCH
from transactions.models import Transaction


def promote(name: str, *, by: Actor) -> ModelVersion:
    """Let a model in shadow score payments from now on, instead of the live one. Raises ModelError.

    Other processes notice within seconds, or a minute (`anomalies.renewed`). What was stored before keeps its score.
    """
    model, live = model_versions.named(name), model_versions.live()
    model_versions.check_promotable(model)
    # Not saved: so that references are built for it as if it were live.
    model.live_from = _handover()
    norms.build_due(models=[*model_versions.in_turn(), model])
    _check_judges(model, live)
    with transaction.atomic():
        return model_versions.put_live(model.pk, instead_of=live.pk, at=_handover(), by=by)


def _handover() -> datetime:
    """Just after the newest payment, but not in the future, where a payment's date may lie."""
    newest: datetime | None = Transaction.objects.aggregate(newest=Max("txn_date"))["newest"]
    return EPOCH if newest is None else min(newest + timedelta(microseconds=1), timezone.now())


def _check_judges(model: ModelVersion, live: ModelVersion) -> None:
    having = {kept for kept, _ in references.built()}
    if live.pk in having and model.pk not in having:
        raise ModelError(
            f"{model.name} cannot score yet: there are too few payments in the last "
            f"{norms.WINDOW.days} days to tell what is normal."
        )
