"""What a key of the API may be made for. Each viewset names the two that it asks for, in `scopes`."""

READ = (
    "transactions:read",
    "anomalies:read",
    "cases:read",
    "verdicts:read",
    "users:read",
    "webhooks:read",
    "stream:read",
)
WRITE = (
    "transactions:write",
    "cases:write",
    "verdicts:write",
    "webhooks:write",
)
ALL = (*READ, *WRITE)
