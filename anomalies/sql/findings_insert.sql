-- Adds anomalies of which another writer may have added some meanwhile, in the order of their keys. Those stay as they
-- are: scoring is a pure function, so both found the same.
INSERT INTO anomalies (
    transaction_id, user_id, amount, currency, txn_date, status, merchant_id, score, rarity, raw, reasons, features,
    reference_id, model_version_id
)
SELECT *
FROM jsonb_to_recordset(%(findings)s::jsonb) AS found (
    transaction_id uuid, user_id uuid, amount numeric, currency text, txn_date timestamptz, status text,
    merchant_id text, score float8, rarity float8, raw float8, reasons jsonb, features jsonb, reference_id uuid,
    model_version_id uuid
)
ORDER BY user_id, transaction_id
ON CONFLICT DO NOTHING
RETURNING transaction_id
