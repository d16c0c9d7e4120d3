-- A row that is about to be stored, as the columns that scoring looks at.
SELECT
    %(txn_date)s::timestamptz AS txn_date, %(id)s::uuid AS id, %(user_id)s::uuid AS user_id,
    %(amount)s::numeric AS amount, %(currency)s::text AS currency, %(status)s::text AS status, meta_data,
    meta_data ->> 'merchant_id' AS merchant_id
FROM (SELECT %(meta_data)s::jsonb AS meta_data) AS given
