-- Puts the users' anomalies that stand alone into their case, as far back as the case reaches.
UPDATE anomalies
SET case_id = held.id
FROM {held} AS held (id, user_id, since)
WHERE anomalies.user_id = held.user_id AND anomalies.txn_date >= held.since AND anomalies.case_id IS NULL
