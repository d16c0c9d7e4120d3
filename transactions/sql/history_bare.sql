-- A row as the bytes that `history.BARE` describes. All of it stands in ix_user_date_amount_id, so the table is not read.
uuid_send(transaction.id)
|| timestamptz_send(transaction.txn_date)
|| int8send((least(transaction.amount, 90000000000000) * 100)::int8)
