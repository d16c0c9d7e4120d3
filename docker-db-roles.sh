#!/bin/sh
# Run once by the database's container, when its volume is empty: makes the role that the application logs in
# as. It owns nothing; `manage.py migrate` gives it its rights on the tables.
set -eu
psql -v ON_ERROR_STOP=1 -v password="$POSTGRES_APP_PASSWORD" -U "$POSTGRES_USER" -d "$POSTGRES_DB" <<'SQL'
CREATE ROLE anomaly_app LOGIN PASSWORD :'password';
SQL
