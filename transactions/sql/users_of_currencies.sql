-- The users who pay in more than one currency. One walk through the table in its own order, shared by processes of the
-- database: several times as fast as to look at each user.
SELECT user_id FROM transactions GROUP BY user_id HAVING min(currency COLLATE "C") <> max(currency COLLATE "C")
