"""Logs as JSON lines, and metrics for Prometheus. Neither contains personal data."""

import logging
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any, cast

import structlog
from prometheus_client import Counter, Gauge, Histogram

from services.runtime.configuration import wrong_setting
from services.runtime.error_text import describe, describe_with_trace

MESSAGES = Counter("onedoor_messages_total", "Messages processed, by origin.", ["origin"])
DUPLICATES = Counter("onedoor_duplicates_total", "Messages dropped because their case had processed them before.")
DEAD_LETTERS = Counter("onedoor_dead_letters_total", "Messages that could not be processed and were parked.")
BATCH_SECONDS = Histogram(
    "onedoor_batch_seconds", "Machine time of one batch, from first statement to publication.", ["origin"]
)
RELAYED = Counter("onedoor_relayed_total", "Messages published late by the outbox relay.")
LAG = Gauge("onedoor_lag_records", "Records in Kafka that this process has not read yet.")
CALLS = Counter("onedoor_calls_total", "External calls and notifications, by outcome.", ["outcome"])
BREAKER_OPEN = Gauge("onedoor_breaker_open", "1 while the circuit breaker holds back external calls.")
NOTIFICATIONS = Counter("onedoor_notifications_total", "Attempts to notify a person, by outcome.", ["outcome"])
HTTP_REFUSED = Counter(
    "onedoor_http_refused_total",
    "Requests rejected and connections aborted before a request was read completely.",
    ["reason"],
)
HTTP_LIMITED = Counter(
    "onedoor_http_limited_total", "Requests refused since their client had sent too many, by limit.", ["limit"]
)
ACCESS_RECORDED = Counter("onedoor_access_recorded_total", "Entries of the record of access that were written.")
ACCESS_UNRECORDED = Counter(
    "onedoor_access_unrecorded_total", "Requests refused since the record of access could not be written."
)
CONSUMER_STOPPED = Gauge("onedoor_consumer_stopped", "1 when the consumer has stopped by itself.")
TOPIC_PAUSED = Gauge("onedoor_topic_paused", "1 while this process does not read the topic, by itself.", ["topic"])
READY = Gauge("onedoor_ready", "1 while the process can do its work, as /health/ready has it.")
UNPUBLISHED = Gauge("onedoor_unpublished_batches", "Batches with messages that Kafka has not acknowledged.")
UNPUBLISHED_SECONDS = Gauge("onedoor_unpublished_oldest_seconds", "Age of the oldest unpublished message.")
TIMERS_DUE = Gauge("onedoor_timers_due", "Timers of cases that are due, at most 10000.")
TIMER_SECONDS = Gauge("onedoor_timer_late_seconds", "How long the oldest due timer has been due, by the shared clock.")
CALLS_UNDER_WAY = Gauge("onedoor_calls_under_way", "External calls of this process that are being made.")
CALLS_DUE = Gauge("onedoor_calls_due", "External calls of the service that are due, at most 10000.")
PARKED = Gauge("onedoor_dead_letters_parked", "Dead letters that wait for an operator, at most 10000.")
BLOCKED_CASES = Gauge("onedoor_dead_letters_blocked_cases", "Cases whose later messages wait behind a dead letter.")
DATABASE_BYTES = Gauge("onedoor_database_bytes", "Size of the service's database.")
DISK_FREE_BYTES = Gauge("onedoor_disk_free_bytes", "Free on the disk of the database, where this process sees it.")
ROLLOUT_VERSION = Gauge("onedoor_rollout_version", "Newest version of the document that cases follow.", ["kind"])
ROLLOUT_VISITED = Gauge("onedoor_rollout_visited_cases", "Open cases that follow the newest version.", ["kind"])
ROLLOUT_DONE = Gauge("onedoor_rollout_done", "1 when every open case follows the newest version.", ["kind"])
JOURNAL_UNTIL = Gauge("onedoor_journal_chained_until_seconds", "Moment up to which the journal is chained, Unix time.")
PROCESSES_SILENT = Gauge("onedoor_processes_silent", "Processes of all services whose reports are missing.")
FAILURES = Gauge("onedoor_failures", "Failures in a row of the work of this process, 0 when it is well.", ["work"])


REPETITION_S = 10.0
"""Machine seconds for which `RepetitionFilter` drops repetitions of a line."""


class RepetitionFilter(logging.Filter):
    """Drops repeated lines of one library, which logs every attempt to reach an unavailable Kafka."""

    def __init__(self, library: str) -> None:
        super().__init__(library)
        self._last_logged: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is logged. Lines are compared by their text before arguments are filled in."""
        if not super().filter(record):
            return True  # from another library
        if record.created - self._last_logged.get(str(record.msg), 0.0) < REPETITION_S:
            return False
        self._last_logged[str(record.msg)] = record.created
        return True


class ValueFilter(logging.Filter):
    """Takes the text of exceptions out of the lines of libraries: it may contain values."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Logs every line. Exceptions among its arguments are described (`error_text`).

        The event loop writes tasks and futures with their exceptions under a first line of its own, which remains.
        """
        if isinstance(record.args, tuple):
            record.args = tuple(describe(one) if isinstance(one, BaseException) else one for one in record.args)
        if record.name == "asyncio":
            record.msg, record.args = record.getMessage().partition("\n")[0], ()
        return True


def _describe_exceptions(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A processor of structlog: the exception that is logged, and exceptions among the fields of a line, as text."""
    given = event.pop("exc_info", None)
    error = given if isinstance(given, BaseException) else (given if isinstance(given, tuple) else sys.exc_info())[1]
    if given and error is not None:
        event["exception"] = describe_with_trace(error)
    event.update({name: describe(one) for name, one in event.items() if isinstance(one, BaseException)})
    return event


@contextmanager
def failures_logged() -> Iterator[None]:
    """Log the exception that ends the process, and exit: a traceback of Python would have values in it.

    A wrong setting is raised as it is.
    """
    try:
        yield
    except Exception as failure:
        if wrong_setting(failure):
            raise
        logger(__name__).critical("ended by a failure", exc_info=failure)
        raise SystemExit(1) from None


def _write_plainly() -> None:
    """Write the logs of a command as plain lines to standard error, without the values of variables, which may be
    personal data. A service calls `configure`."""
    structlog.configure(
        processors=[
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _describe_exceptions,
            structlog.dev.ConsoleRenderer(colors=False),
        ],
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )


_write_plainly()


def logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger. Its lines contain the service and the replica of the process."""
    return cast(structlog.stdlib.BoundLogger, structlog.get_logger(name))


def configure(service: str, replica: str, level: str) -> None:
    """Write all logs of this process, including those of libraries, to standard output as JSON lines."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _describe_exceptions,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(ensure_ascii=False),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for chatty in ("authlib", "httpx2", "httpcore2", "asyncssh", "aiokafka", "alembic"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))
    # The filter of a logger does not see the lines of its child loggers, so the filters belong to the handler.
    handler.addFilter(RepetitionFilter("aiokafka"))
    handler.addFilter(ValueFilter())
    structlog.contextvars.bind_contextvars(service=service, replica=replica)
