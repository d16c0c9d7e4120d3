-- One value a row, in the order asked: what it sees of its merchant.
SELECT ({stretch})
FROM unnest(%(ids)s::uuid[]) WITH ORDINALITY AS asked (id, place)
LEFT JOIN transactions AS paid ON paid.id = asked.id
ORDER BY asked.place
