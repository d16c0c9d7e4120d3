-- No conflict target: a sharded table's key is (id, user_id).
INSERT INTO transactions (id, user_id, amount, currency, txn_date, status, meta_data)
VALUES (%(id)s, %(user_id)s, %(amount)s, %(currency)s, %(txn_date)s, %(status)s, %(meta_data)s::jsonb)
ON CONFLICT DO NOTHING
