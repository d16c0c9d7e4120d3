"""Admin pages of what happened and of how it comes in. Importing this registers them."""

from transactions.admin import keys

__all__ = ["keys"]
