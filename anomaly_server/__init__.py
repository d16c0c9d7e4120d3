"""Wiring only: settings, addresses, the embedded PostgreSQL."""
