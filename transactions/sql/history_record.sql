-- A row as the bytes that `history.RECORD` describes. Every part has a fixed width.
uuid_send(transaction.id)
|| uuid_send(transaction.user_id)
|| timestamptz_send(transaction.txn_date)
|| int8send((least(transaction.amount, 90000000000000) * 100)::int8)
|| textsend(transaction.currency)
|| boolsend(transaction.status = ANY(%(failed)s::text[]))
|| boolsend(transaction.wanted)
