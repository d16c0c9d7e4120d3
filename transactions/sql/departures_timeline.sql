-- All departures at merchants: each merchant's in one currency together and in the order of time, in values of four weeks.
SELECT int8send(hashtextextended(departed.merchant, 0)) || textsend(departed.currency),
    string_agg(timestamptz_send(departed.txn_date), ''::bytea ORDER BY departed.txn_date)
FROM (SELECT merchant_id COLLATE "C" AS merchant, currency COLLATE "C" AS currency, txn_date FROM departures) AS departed
GROUP BY departed.merchant, departed.currency, date_bin('28 days', departed.txn_date, 'epoch'::timestamptz)
ORDER BY departed.merchant, departed.currency, date_bin('28 days', departed.txn_date, 'epoch'::timestamptz)
