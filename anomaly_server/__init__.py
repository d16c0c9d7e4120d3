"""Wiring only: settings, addresses, the embedded PostgreSQL."""

__version__ = "0.1.0"
