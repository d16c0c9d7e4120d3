-- What is compared of a row, as the bytes that `lookback._received` and `history.RECORD` take, all of fixed widths.
timestamptz_send(transaction.txn_date)
|| int8send((least(transaction.amount, 90000000000000) * 100)::int8)
-- Texts as numbers of a fixed width, 0 where there is none. Keys are compared within one reading and with a
-- reference of the last weeks, so another server version may hash as it likes.
|| int8send(coalesce(hashtextextended(transaction.merchant_id, 0), 0))
|| int8send(coalesce(hashtextextended(transaction.meta_data ->> 'category', 0), 0))
|| int8send(coalesce(hashtextextended(transaction.meta_data ->> 'country', 0), 0))
|| int8send(coalesce(hashtextextended(transaction.meta_data ->> 'device_id', 0), 0))
|| textsend(transaction.currency)
|| boolsend(transaction.status = ANY(%(failed)s::text[]))
