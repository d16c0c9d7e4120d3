"""How well the scores find what labels say: gathered from the database, measured, told as a table or a report."""
