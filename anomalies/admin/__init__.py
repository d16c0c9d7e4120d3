"""The review console: pages of the admin for analysts. Importing this registers them."""

from anomalies.admin import cases, records

__all__ = ["cases", "records"]
