-- How long cases waited from opening to their verdict, that is until they were closed, by when they were closed.
SELECT
    windows.days,
    taken.closed,
    taken.median_s,
    taken.ninth_s
FROM unnest(%(days)s::integer []) AS windows (days)
CROSS JOIN LATERAL (
    SELECT
        count(*) AS closed,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM closed_at - opened_at)) AS median_s,
        percentile_cont(0.9) WITHIN GROUP (ORDER BY extract(epoch FROM closed_at - opened_at)) AS ninth_s
    FROM cases
    WHERE state = 'closed'
        AND closed_at >= %(now)s::timestamptz - make_interval(days => windows.days) AND closed_at <= %(now)s
) AS taken
ORDER BY windows.days
