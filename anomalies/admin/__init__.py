"""The review console: pages of the admin for analysts. Importing this registers them."""

from anomalies.admin import audit, budgets, cases, records, webhooks

__all__ = ["audit", "budgets", "cases", "records", "webhooks"]
