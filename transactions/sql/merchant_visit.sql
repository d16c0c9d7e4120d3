-- A payment at a merchant as the bytes that `merchants.VISIT` describes.
timestamptz_send(visit.txn_date) || int8send((least(visit.amount, 90000000000000) * 100)::int8)
