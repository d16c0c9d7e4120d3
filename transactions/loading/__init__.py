"""Loading files of transactions: read, give each row our shape, check it, store it chunk by chunk."""
