"""The HTTP door of anomalies, cases and verdicts, and what every HTTP door shares.

Shared, and kept in this lower layer so that `transactions.api` may import it: `base` (viewsets, router),
`parameters` (strict query strings), `filtering` (declared filters), `listing` (rows as SQL), `paging` (keyset pages),
`problems` (errors), `permissions`, `rendering` (JSON).
"""
