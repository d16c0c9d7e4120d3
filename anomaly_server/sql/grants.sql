-- What the application's role may do with the tables that the owner's migrations made. Runs after every
-- `migrate` and `db restore`, as the owner; {app} is the application's role.

GRANT USAGE ON SCHEMA public TO {app};
-- No CREATE: the application has no DDL. TEMP it has like everybody: loads stage their rows in temporary tables.
REVOKE CREATE ON SCHEMA public FROM {app};

GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {app};
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {app};
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO {app};

-- What happened, what people said about it, and what they did, is added to and never changed: a bug or an
-- intruder in the application cannot rewrite it.
REVOKE UPDATE, DELETE ON transactions, verdicts, django_admin_log FROM {app};
-- Which migrations ran is the owner's to say.
REVOKE INSERT, UPDATE, DELETE ON django_migrations FROM {app};
