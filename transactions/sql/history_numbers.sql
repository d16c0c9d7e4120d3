-- What is compared of a row, as the bytes that `history.NUMBERS` describes, all of fixed widths.
timestamptz_send(transaction.txn_date)
|| int8send((least(transaction.amount, 90000000000000) * 100)::int8)
|| {keys}
|| textsend(transaction.currency)
|| boolsend(transaction.status = ANY(%(failed)s::text[]))
