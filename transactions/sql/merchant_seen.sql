-- What one row sees of its merchant, and how many of these payments depart.
SELECT seen.payments, departed.recent, departed.before
FROM ({paid}) AS paid
CROSS JOIN LATERAL ({stretch}) AS seen
CROSS JOIN LATERAL ({departed}) AS departed
