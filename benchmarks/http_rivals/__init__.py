"""Others that answer what our API answers, each written the way its users write it. They ask nobody for a key."""
