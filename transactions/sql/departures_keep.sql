-- Keeps which of the given transactions depart from their users' pasts, where they name a merchant.
INSERT INTO departures (transaction_id, user_id, merchant_id, currency, txn_date)
SELECT id, user_id, merchant_id, currency, txn_date
FROM transactions
WHERE id = ANY(%(departing)s::uuid[]) AND merchant_id IS NOT NULL
ON CONFLICT DO NOTHING
