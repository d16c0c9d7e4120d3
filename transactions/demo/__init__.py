"""A labelled data set made up from a seed, to look at and to measure on: ordinary lives, and nine kinds of trouble."""

from transactions.demo.job import DAYS, SEED, USERS, DemoJob, demo

__all__ = ["DAYS", "SEED", "USERS", "DemoJob", "demo"]
