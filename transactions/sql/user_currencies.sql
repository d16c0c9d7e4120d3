-- What a user's latest payments in each currency look like; the median is one of the amounts, so it is exact.
SELECT
    currency,
    count(*) AS payments,
    percentile_disc(0.5) WITHIN GROUP (ORDER BY amount) AS typical_amount,
    max(amount) AS largest_amount
FROM (
    SELECT currency, amount FROM transactions
    WHERE user_id = %(user_id)s ORDER BY txn_date DESC, id ASC LIMIT %(latest)s
) AS latest
GROUP BY currency
ORDER BY payments DESC, currency
