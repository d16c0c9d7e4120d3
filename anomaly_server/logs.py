"""How the server logs: JSON lines for machines, plain lines for people, all on standard error."""

import sys
from typing import Any

import structlog
from structlog.typing import EventDict, Processor

STYLES = ("auto", "json", "plain")

# What every event carries, whether structlog or a library with plain `logging` wrote it.
SHARED: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
]


def renderer(style: str) -> list[Processor]:
    """The last processors of a style; `auto` is plain on a terminal and JSON elsewhere."""
    on_terminal = sys.stderr.isatty()
    if style == "plain" or (style == "auto" and on_terminal):
        return [structlog.dev.ConsoleRenderer(colors=on_terminal)]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]


def without_request(_logger: Any, _name: str, event: EventDict) -> EventDict:
    """Django passes the request on: its query may name a person."""
    event.pop("request", None)
    return event


def configure(*, level: str, style: str) -> dict[str, Any]:
    """Configure structlog, and return Django's LOGGING that writes the same lines."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *SHARED,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    own: dict[str, Any] = {"handlers": ["stderr"], "level": level, "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "events": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": [*SHARED, structlog.stdlib.ExtraAdder(), without_request],
                "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer(style)],
            }
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "events"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            # Django and gunicorn bring handlers of their own, which would print each line twice.
            "django": own,
            "django.server": own,
            "gunicorn.error": own,
            # A line for each task with every command, and three for each job, which come every few seconds.
            "procrastinate": {"level": "WARNING"},
            # A line at each start and two at each login, which the audit log has. Failures and lockouts are warnings.
            "axes": {"level": "WARNING"},
        },
    }
