-- Keeps that a payment which names a merchant departs: the one that was stored just now, and no other that has its id.
INSERT INTO departures (transaction_id, user_id, merchant_id, currency, txn_date)
SELECT id, user_id, merchant_id, currency, txn_date
FROM transactions
WHERE id = %(id)s::uuid AND user_id = %(user_id)s::uuid AND txn_date = %(txn_date)s::timestamptz
    AND amount = %(amount)s::numeric AND currency = %(currency)s AND merchant_id IS NOT NULL
ON CONFLICT DO NOTHING
