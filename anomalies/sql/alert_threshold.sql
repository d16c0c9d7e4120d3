-- The strangest score of each user and day in the window, strongest first: with the threshold at the n-th of them
-- there would have been about n cases. `days` is how much of the window there are anomalies for. The budget is the
-- newest one that somebody set in the console, else the setting.
WITH budget AS (
    SELECT coalesce(
        (SELECT cases_per_day FROM alert_budgets ORDER BY since DESC, id DESC LIMIT 1), %(budget)s
    ) AS cases_per_day
),
peaks AS (
    SELECT
        max(score) AS peak,
        min(txn_date) AS first
    FROM anomalies
    WHERE txn_date > %(since)s AND txn_date <= %(until)s
    GROUP BY user_id, date_trunc('day', txn_date, 'UTC')
),
span AS (
    SELECT extract(epoch FROM %(until)s::timestamptz - min(first)) / 86400 AS days FROM peaks
)
SELECT
    span.days,
    (SELECT peak FROM peaks ORDER BY peak DESC OFFSET (budget.cases_per_day * span.days)::int8 LIMIT 1) AS peak,
    budget.cases_per_day
FROM span CROSS JOIN budget
