-- One value a user, in the order asked: his departures as the bytes that `merchants.DEPARTURE` describes.
SELECT (
    SELECT string_agg(
        int8send(hashtextextended(merchant_id, 0)) || textsend(currency) || timestamptz_send(txn_date), ''::bytea
    )
    FROM departures WHERE user_id = asked.user_id
)
FROM unnest(%(users)s::uuid[]) WITH ORDINALITY AS asked (user_id, place)
ORDER BY asked.place
