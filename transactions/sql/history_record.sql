-- A row as the bytes that `history.RECORD` describes: its id, its numbers, and up to whole words of eight bytes.
uuid_send(transaction.id)
|| {numbers}
|| boolsend(transaction.wanted)
|| '\x000000'::bytea
