-- Forgets which rows of the users departed, from each one's instant on, but for those that still do.
DELETE FROM departures
USING unnest(%(users)s::uuid[], %(since)s::timestamptz[]) AS asked (user_id, since)
WHERE departures.user_id = asked.user_id
    AND departures.txn_date >= asked.since
    AND departures.txn_date < %(until)s::timestamptz
    AND departures.transaction_id <> ALL (%(departing)s::uuid[])
