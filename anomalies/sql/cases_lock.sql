-- The users' cases that are not closed, locked until the transaction ends.
SELECT id, user_id, since
FROM cases
WHERE user_id = {user} AND state <> 'closed'
ORDER BY user_id
FOR UPDATE
