"""The review console: pages of the admin for analysts. Importing this registers them."""

from anomalies.admin import budgets, cases, records

__all__ = ["budgets", "cases", "records"]
