-- What packed rows are, in bytes: between which instants, how many, and the exclusive or of the hashes of their ids.
timestamptz_send(since) || timestamptz_send(until) || int4send(rows) || int4send(ids)
