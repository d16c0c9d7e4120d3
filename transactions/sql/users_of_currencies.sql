-- The users who pay in more than one currency. One walk through the table in its own order, shared by processes of the
-- database: several times as fast as to look at each user. Numbers are compared in half the time of texts.
SELECT user_id FROM transactions GROUP BY user_id
HAVING bit_and(hashtextextended(currency, 0)) <> bit_or(hashtextextended(currency, 0))
