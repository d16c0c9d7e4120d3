-- What one row sees of its merchant.
SELECT seen.payments FROM ({paid}) AS paid CROSS JOIN LATERAL ({stretch}) AS seen
