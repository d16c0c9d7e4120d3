-- What the application's role may do with the tables that the owner's migrations made. Runs after every
-- `migrate` and `db restore`, as the owner; {app} is the application's role.
--
-- Only what the owner owns is touched: other people's tables and extensions may live in the same schema, and
-- after `migrate APP` some of our own tables are not there yet. Functions need nothing: everybody may call them.
-- TEMP the role has like everybody: loads stage their rows in temporary tables.

DO $grants$
DECLARE
    relation record;
    may text;
BEGIN
    IF (SELECT pg_has_role(nspowner, 'USAGE') FROM pg_namespace WHERE nspname = current_schema()) THEN
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO {app}', current_schema());
        -- The application has no DDL.
        EXECUTE format('REVOKE CREATE ON SCHEMA %I FROM {app}', current_schema());
    END IF;
    FOR relation IN
        SELECT oid::regclass AS name, relname, relkind FROM pg_class
        WHERE relnamespace = current_schema()::regnamespace AND relowner = current_user::regrole
          AND relkind IN ('r', 'p', 'v', 'm', 'S')
    LOOP
        may := CASE
            WHEN relation.relkind = 'S' THEN 'USAGE, SELECT'
            -- What happened, what people said about it, and what they did, is added to and never changed: a bug
            -- or an intruder in the application cannot rewrite it.
            WHEN relation.relname IN ('transactions', 'verdicts', 'comments', 'audit_entries', 'django_admin_log')
                THEN 'SELECT, INSERT'
            -- A model's name and weights, by which stored scores are explained, stay as they were made.
            WHEN relation.relname = 'model_versions' THEN 'SELECT, INSERT, UPDATE (state, live_from, metrics)'
            -- Which migrations ran is the owner's to say.
            WHEN relation.relname = 'django_migrations' THEN 'SELECT'
            ELSE 'SELECT, INSERT, UPDATE, DELETE'
        END;
        EXECUTE format('REVOKE ALL ON %s FROM {app}', relation.name);
        EXECUTE format('GRANT %s ON %s TO {app}', may, relation.name);
    END LOOP;
END
$grants$;
