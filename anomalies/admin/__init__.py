"""The review console: pages of the admin for analysts. Importing this registers them."""

from anomalies.admin import audit, budgets, cases, records

__all__ = ["audit", "budgets", "cases", "records"]
