-- Brings anomalies up to date; their case and the day they were found stay.
UPDATE anomalies
SET
    score = found.score,
    rarity = found.rarity,
    raw = found.raw,
    reasons = found.reasons,
    features = found.features,
    reference_id = found.reference_id,
    model_version_id = found.model_version_id
FROM jsonb_to_recordset(%(findings)s::jsonb) AS found (
    transaction_id uuid, user_id uuid, score float8, rarity float8, raw float8, reasons jsonb, features jsonb,
    reference_id uuid, model_version_id uuid
)
WHERE anomalies.user_id = found.user_id AND anomalies.transaction_id = found.transaction_id
