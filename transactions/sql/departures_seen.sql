-- How many departures one stored row sees at its merchant, from an instant on.
SELECT departed.recent, departed.before
FROM transactions AS paid
CROSS JOIN (SELECT %(oldest)s::timestamptz) AS seen (oldest)
CROSS JOIN LATERAL ({departed}) AS departed
WHERE paid.id = %(id)s::uuid
