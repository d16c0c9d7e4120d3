-- How many payments of others at the merchant of the row `paid`, in its currency, departed at instants before its own and
-- after the oldest one that it sees there: in the last days, and before these. By one range scan of ix_departure_merchant.
SELECT
    count(*) FILTER (WHERE txn_date >= paid.txn_date - %(recent)s::interval) AS recent,
    count(*) FILTER (WHERE txn_date < paid.txn_date - %(recent)s::interval) AS before
FROM departures
WHERE merchant_id = paid.merchant_id COLLATE "C"
    AND currency = paid.currency COLLATE "C"
    AND user_id <> paid.user_id
    AND txn_date > seen.oldest
    AND txn_date < paid.txn_date
