"""Log output: structured events on standard error, as JSON lines or for people. Nothing else configures logging."""

from __future__ import annotations

import logging
import sys
from typing import Any, Final

import structlog

_LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


def is_json(log_format: str) -> bool:
    """Whether the log is for programs: asked for, or by default where no terminal shows it."""
    return log_format == "json" or (log_format == "auto" and not sys.stderr.isatty())


def say_on_stdout(text: str, **fields: str | None) -> None:
    """An event for whoever started the program, whatever the level of the log, in the form of the log."""
    wanted = structlog.make_filtering_bound_logger(logging.NOTSET)
    logger: Any = structlog.wrap_logger(structlog.PrintLogger(sys.stdout), wrapper_class=wanted)
    logger.info(text, **{name: value for name, value in fields.items() if value is not None})


def configure_logs(*, level: str, log_format: str) -> None:
    """Send events of ``level`` and above to standard error; ``log_format`` is auto, console or json."""
    as_json = is_json(log_format)
    processors: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if as_json:
        processors += [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    else:
        processors += [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    # Libraries (the HTTP server among them) speak only when something is wrong.
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
