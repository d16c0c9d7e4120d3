-- Positions for the committed events that have none, in the order in which they were written. Under the turn's lock.
-- From a sequence, not from the last position: that may have been pruned.
WITH placed AS (
    SELECT id, nextval('outbox_positions') AS position
    FROM (SELECT id FROM outbox_events WHERE position IS NULL ORDER BY at, id) AS waiting
)
UPDATE outbox_events SET position = placed.position
FROM placed
WHERE outbox_events.id = placed.id
