-- As history_record.sql, of a row of which only the instant and the amount are looked at: both stand in
-- ix_user_date_amount_id, so the table is not read. The rest is what no key, one currency and no failure are.
uuid_send(transaction.id)
|| timestamptz_send(transaction.txn_date)
|| int8send((least(transaction.amount, 90000000000000) * 100)::int8)
|| '\x000000000000000000000000000000000000000000000000000000000000000058585800'::bytea
|| boolsend(transaction.wanted)
|| '\x000000'::bytea
