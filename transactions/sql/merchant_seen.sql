-- What one row sees of its merchant, and how many of these payments depart; and the seal of its user's packed rows, which
-- is not needed before.
SELECT seen.payments, departed.recent, departed.before, ({whole}) AS whole
FROM ({paid}) AS paid
CROSS JOIN LATERAL ({stretch}) AS seen
CROSS JOIN LATERAL ({departed}) AS departed
