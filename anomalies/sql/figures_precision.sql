-- How many of the judged anomalies were frauds, by level and by the group of the strongest reason. The latest verdict
-- on a transaction counts; “unsure” says nothing about precision, and neither does one that was withdrawn. A verdict on
-- what was not flagged is none about a flag.
WITH latest AS (
    SELECT DISTINCT ON (transaction_id) transaction_id, value
    FROM (
        SELECT transaction_id, value, known_at, id
        FROM verdicts
        WHERE known_at >= %(since)s AND known_at <= %(until)s
        -- As ix_verdict_known is ordered. More of them cost time and hardly narrow the interval.
        ORDER BY known_at DESC, id
        LIMIT %(most)s
    ) AS newest
    ORDER BY transaction_id, known_at DESC, id DESC
),
judged AS (
    SELECT
        latest.value = 'fraud' AS is_fraud,
        anomalies.reasons -> 0 ->> 'group' AS reason,
        CASE
            WHEN anomalies.score >= %(high)s THEN 'high'
            WHEN anomalies.score >= %(medium)s THEN 'medium'
            ELSE 'low'
        END AS level
    FROM latest
    INNER JOIN anomalies ON anomalies.transaction_id = latest.transaction_id
    WHERE latest.value NOT IN ('unsure', 'withdrawn')
)
SELECT
    grouping(level) AS over_levels,
    grouping(reason) AS over_reasons,
    coalesce(level, reason) AS name,
    count(*) AS judged,
    count(*) FILTER (WHERE is_fraud) AS frauds
FROM judged
GROUP BY GROUPING SETS ((level), (reason), ())
ORDER BY over_levels, over_reasons, judged DESC, name
