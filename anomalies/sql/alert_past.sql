-- What the alert threshold rests on: the budget in force, which is the newest one that somebody set in the console, else
-- the setting; how many days of the window there are anomalies for; for how long a case is open: the median of those
-- closed in the window, at most the window; and the strangest anomalies of the window and that long before it, as many
-- for each case that is wanted as `rows_a_case` says: users (as numbers), microseconds since 1970, scores.
WITH told AS MATERIALIZED (
    SELECT
        coalesce(
            (SELECT cases_per_day FROM alert_budgets ORDER BY since DESC, id DESC LIMIT 1), %(budget)s
        ) AS cases_per_day,
        (
            SELECT extract(epoch FROM %(until)s::timestamptz - min(txn_date)) / 86400
            FROM anomalies WHERE txn_date > %(since)s AND txn_date <= %(until)s
        )::float8 AS days,
        least(coalesce(
            (
                SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY closed_at - opened_at)
                FROM cases WHERE closed_at > %(since)s AND closed_at <= %(until)s
            ), %(open_for)s
        ), %(until)s::timestamptz - %(since)s::timestamptz) AS open_for
),
strangest AS (
    SELECT user_id, txn_date, score
    FROM anomalies
    WHERE txn_date > %(since)s - (SELECT open_for FROM told) AND txn_date <= %(until)s
    ORDER BY score DESC
    LIMIT (SELECT coalesce(ceil(cases_per_day * days * %(rows_a_case)s), 0) + 1 FROM told)
),
numbered AS (
    SELECT
        dense_rank() OVER (ORDER BY user_id) AS person,
        (extract(epoch FROM txn_date) * 1000000)::int8 AS at_us,
        score
    FROM strangest
)
SELECT
    told.cases_per_day,
    told.days,
    told.open_for,
    array_agg(numbered.person),
    array_agg(numbered.at_us),
    array_agg(numbered.score)
FROM told LEFT JOIN numbered ON true
GROUP BY 1, 2, 3
