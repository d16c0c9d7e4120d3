-- One line a row, in the order asked: what it sees of its merchant, and how many of these payments depart.
SELECT seen.payments, int8send(departed.recent) || int8send(departed.before)
FROM unnest(%(ids)s::uuid[]) WITH ORDINALITY AS asked (id, place)
LEFT JOIN transactions AS paid ON paid.id = asked.id
CROSS JOIN LATERAL ({stretch}) AS seen
CROSS JOIN LATERAL ({departed}) AS departed
ORDER BY asked.place
