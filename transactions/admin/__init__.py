"""Admin pages of what happened and of how it comes in. Importing this registers them."""

from transactions.admin import keys, loads, model_versions, transactions

__all__ = ["keys", "loads", "model_versions", "transactions"]
