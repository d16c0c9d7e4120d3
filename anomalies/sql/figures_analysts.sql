-- What each analyst holds now and has closed, busiest first. A lease that is over holds nothing.
WITH held AS (
    SELECT assignee_id AS analyst, count(*) AS cases
    FROM cases
    WHERE state = 'claimed' AND lease_until > %(now)s
    GROUP BY assignee_id
),
closed AS (
    SELECT
        closed_by_id AS analyst,
        count(*) FILTER (WHERE closed_at >= %(today)s) AS today,
        count(*) AS cases,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM closed_at - opened_at)) AS median_s
    FROM cases
    WHERE state = 'closed' AND closed_at >= %(since)s AND closed_at <= %(now)s
    GROUP BY closed_by_id
)
SELECT
    auth_user.username,
    coalesce(held.cases, 0) AS held,
    coalesce(closed.today, 0) AS today,
    coalesce(closed.cases, 0) AS closed,
    closed.median_s
FROM held
FULL JOIN closed ON closed.analyst = held.analyst
INNER JOIN auth_user ON auth_user.id = coalesce(held.analyst, closed.analyst)
ORDER BY closed DESC, held DESC, auth_user.username
LIMIT %(most)s
