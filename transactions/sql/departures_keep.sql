-- Keeps which of the given transactions depart from their users' pasts, where they name a merchant. Those that are kept
-- already are not looked up.
INSERT INTO departures (transaction_id, user_id, merchant_id, currency, txn_date)
SELECT id, user_id, merchant_id, currency, txn_date
FROM unnest(%(departing)s::uuid[]) AS asked (id)
JOIN transactions USING (id)
WHERE merchant_id IS NOT NULL AND NOT EXISTS (SELECT FROM departures WHERE transaction_id = asked.id)
ON CONFLICT DO NOTHING
