-- Those of some cases that wait for an analyst and hold nothing.
SELECT id FROM cases WHERE id = ANY(%(ids)s::uuid[]) AND state = 'open' AND anomaly_count = 0
