-- A place of this database transaction for the rows of one write. `again` marks a row whose id came
-- earlier in the same write. Without constraints and indexes: the rows obey the law already.
CREATE TEMP TABLE IF NOT EXISTS staged_transactions (
    position integer NOT NULL,
    again boolean NOT NULL,
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    amount numeric(20, 2) NOT NULL,
    currency text NOT NULL,
    txn_date timestamptz NOT NULL,
    status text NOT NULL,
    meta_data jsonb NOT NULL
) ON COMMIT DROP;
TRUNCATE staged_transactions;
