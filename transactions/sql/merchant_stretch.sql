-- What the row `paid` sees of its merchant: the last payments in its currency at earlier instants, newest first, by one bounded
-- range scan of ix_merchant_visits, whose order of texts is that of their bytes; and the oldest one's instant. Null where it
-- names no merchant, or the merchant has no past.
SELECT string_agg({visit}, ''::bytea ORDER BY visit.txn_date DESC, visit.id DESC) AS payments, min(visit.txn_date) AS oldest
FROM (
    SELECT txn_date, id, amount FROM transactions
    WHERE merchant_id = paid.merchant_id COLLATE "C"
        AND currency = paid.currency COLLATE "C"
        AND txn_date < paid.txn_date
    ORDER BY txn_date DESC, id DESC
    -- Not a constant, or the planner would think that it needs all of an average merchant's rows, and sort a huge one's.
    LIMIT (SELECT %(visits)s::integer)
) AS visit
