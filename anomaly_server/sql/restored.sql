-- After a restore: events that come now get positions that none has had, not even one that happened after the backup
-- and is forgotten here. Whoever heard it would else go on behind other events, which then have its position, and
-- miss them.
DO $restored$
BEGIN
    -- A backup of an older release has no events.
    IF to_regclass('outbox_positions') IS NOT NULL THEN
        PERFORM setval('outbox_positions', nextval('outbox_positions') + 1000000000);
    END IF;
END
$restored$;
