"""What scoring says of a transaction, as JSON."""

from collections.abc import Mapping, Sequence
from typing import Any

from anomalies.findings import Scored, Unscored
from anomalies.sentences import sentences


def told(
    reasons: Sequence[Mapping[str, Any]], currency: str, texts: Sequence[str] | None = None
) -> list[dict[str, Any]]:
    """The reasons, each with its sentence; `texts` where these are written already."""
    texts = sentences(reasons, currency) if texts is None else texts
    return [{**reason, "sentence": text} for reason, text in zip(reasons, texts, strict=True)]


def explained(scored: Scored | Unscored, currency: str) -> dict[str, Any]:
    """Score, rarity, level and reasons; or null for each of them and, in `unscored`, why."""
    if isinstance(scored, Unscored):
        return {
            "score": None,
            "rarity": None,
            "level": None,
            "raw": None,
            "reasons": [],
            "unscored": {"code": scored.code, "detail": scored.detail},
            "reference_id": None,
            "model_version_id": None,
        }
    return {
        "score": scored.score,
        "rarity": scored.rarity,
        "level": scored.level,
        "raw": scored.raw,
        "reasons": told(scored.reasons, currency, scored.sentences),
        "unscored": None,
        "reference_id": scored.reference_id,
        "model_version_id": scored.model_version_id,
    }
