-- Adds one anomaly, and says so: no row if it was there, as in findings_insert.sql.
INSERT INTO anomalies (
    transaction_id, user_id, amount, currency, txn_date, status, merchant_id, score, rarity, raw, reasons, features,
    reference_id, model_version_id
)
VALUES (
    %(transaction_id)s::uuid, %(user_id)s::uuid, %(amount)s::numeric, %(currency)s, %(txn_date)s::timestamptz,
    %(status)s, %(merchant_id)s, %(score)s::float8, %(rarity)s::float8, %(raw)s::float8, %(reasons)s::jsonb,
    %(features)s::jsonb, %(reference_id)s::uuid, %(model_version_id)s::uuid
)
ON CONFLICT DO NOTHING
RETURNING transaction_id, user_id, score
