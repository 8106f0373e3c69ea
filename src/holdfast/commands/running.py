"""Run the server: settings, logging, event loop."""

import logging
import sys

import structlog
import typer
import uvloop

from holdfast import app, config


def serve() -> None:
    """Serve with the settings of the environment. Raises `StartRefused`."""
    settings = config.load()
    _log_to_stderr(settings.log_level)
    for line in config.unknown():
        report(f"warning: {line}")
    uvloop.run(app.serve(settings, report))


def report(line: str) -> None:
    """A line for the operator, at once."""
    typer.echo(line)


def _log_to_stderr(level: str) -> None:
    """One line an event, in keys and values; nobody's text and no secret is among them."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    logging.basicConfig(level=max(logging.getLevelNamesMapping()[level.upper()], logging.WARNING), stream=sys.stderr)
