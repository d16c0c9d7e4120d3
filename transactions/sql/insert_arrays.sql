-- Stores rows given as one array a column, in the order of insert_staged.sql and for its reasons, and says by its count
-- whether all of them were new. A quarter quicker than through a table of their own, which says more.
INSERT INTO transactions (id, user_id, amount, currency, txn_date, status, meta_data)
SELECT id, user_id, amount, currency, txn_date, status, meta_data
FROM unnest(
    %(id)s::uuid[], %(user_id)s::uuid[], %(amount)s::numeric[], %(currency)s::text[], %(txn_date)s::timestamptz[],
    %(status)s::text[], %(meta_data)s::jsonb[]
) AS given (id, user_id, amount, currency, txn_date, status, meta_data)
ORDER BY user_id, txn_date, id
ON CONFLICT DO NOTHING
