"""The models that are measured: each scores the whole period by references of its own, as if it had been live."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from uuid_utils.compat import uuid7

from anomalies import model_versions, references
from anomalies.model_versions import SERVER, ModelError
from anomalies.models import ModelVersion
from anomalies.references import Stored
from scoring.reference import BadReference
from transactions import merchants, norms
from transactions.evaluating.failures import EvaluationFailed, usage


@dataclass(frozen=True, slots=True)
class Rival:
    """A model and the references by which it judges the period, oldest first."""

    model: ModelVersion
    references: Sequence[Stored]

    @property
    def name(self) -> str:
        """As it is called in the figures."""
        return shown(self.model)


def shown(model: ModelVersion) -> str:
    return SERVER if model.state == ModelVersion.State.LIVE else model.name


def chosen(names: Sequence[str]) -> list[ModelVersion]:
    """The models of these names, each once; without any, the live one and all in shadow. Raises EvaluationFailed."""
    try:
        return [model_versions.named(name) for name in dict.fromkeys(names)] or model_versions.candidates()
    except ModelError as error:
        raise usage(str(error)) from error


def rivals(
    models: Sequence[ModelVersion], since: datetime, until: datetime, stretches: merchants.Stretches
) -> list[Rival]:
    """The models with what they need to score payments of [since, until).

    Their references end where the server's own do. What is not stored is built now, and not stored either.
    """
    ends = _ends(since, until)
    try:
        known = {model.pk: references.of_model(model.pk, ends) for model in models}
    except BadReference as bad:
        raise EvaluationFailed(f"A stored reference cannot be read: {bad}. Score anew with this version.") from bad
    missing: defaultdict[datetime, list[ModelVersion]] = defaultdict(list)
    for model in models:
        for end in ends:
            if end not in known[model.pk]:
                missing[end].append(model)
    if missing:
        for model, end, content in norms.fitted(missing, stretches):
            known[model.pk][end] = Stored(uuid7(), end, content, model.pk)
    return [Rival(model, [known[model.pk][end] for end in ends if end in known[model.pk]]) for model in models]


def _ends(since: datetime, until: datetime) -> list[datetime]:
    """Where the stored references end that are in force at some instant of [since, until)."""
    ends = sorted({end for _, end in references.built() if end < until})
    return ends[max(bisect_right(ends, since) - 1, 0) :]
