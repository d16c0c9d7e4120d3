-- Brings the anomalies that exist up to date; their case and the day they were found stay.
-- Rows are locked in the order of their keys, so that two writers cannot wait for each other.
WITH found AS MATERIALIZED (
    SELECT *
    FROM jsonb_to_recordset(%(findings)s::jsonb) AS found (
        transaction_id uuid, user_id uuid, score float8, rarity float8, raw float8, reasons jsonb, features jsonb,
        reference_id uuid, model_version_id uuid
    )
),
locked AS MATERIALIZED (
    SELECT anomalies.transaction_id
    FROM anomalies JOIN found USING (user_id, transaction_id)
    ORDER BY anomalies.user_id, anomalies.transaction_id
    FOR UPDATE OF anomalies
)
UPDATE anomalies
SET
    score = found.score,
    rarity = found.rarity,
    raw = found.raw,
    reasons = found.reasons,
    features = found.features,
    reference_id = found.reference_id,
    model_version_id = found.model_version_id
FROM found JOIN locked USING (transaction_id)
WHERE anomalies.user_id = found.user_id AND anomalies.transaction_id = found.transaction_id
RETURNING anomalies.transaction_id
