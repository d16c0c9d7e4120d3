"""The one error of the embedded PostgreSQL, and how it speaks to people meanwhile."""

import sys


class EmbeddedPostgresError(Exception):
    """The embedded PostgreSQL cannot serve. The message is a sentence that says what to do."""


def say(text: str) -> None:
    """Tell a person who waits what is being waited for. Standard output belongs to the command's result."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
