-- All payments at merchants: each merchant's in one currency together and in the order (txn_date, id), a value for
-- every four weeks, because a value holds at most 1 GB. In the order of ix_merchant_visits, backwards, so that a table
-- that was vacuumed is read from that index alone, and only as much is sorted at a time as one merchant has.
SELECT int8send(hashtextextended(visit.merchant, 0)) || textsend(visit.currency),
    string_agg({visit}, ''::bytea ORDER BY visit.txn_date, visit.id)
FROM (
    SELECT merchant_id COLLATE "C" AS merchant, currency COLLATE "C" AS currency, txn_date, id, amount
    FROM transactions WHERE merchant_id IS NOT NULL
) AS visit
GROUP BY visit.merchant, visit.currency, date_bin('28 days', visit.txn_date, 'epoch'::timestamptz)
ORDER BY visit.merchant DESC, visit.currency DESC, date_bin('28 days', visit.txn_date, 'epoch'::timestamptz)
