"""Logs as JSON lines, and the figures that Prometheus collects. No personal data in either."""

import logging
import sys
from typing import Any, cast

import structlog
from prometheus_client import Counter, Gauge, Histogram

MESSAGES = Counter("onedoor_messages_total", "Messages handled, by where they came from.", ["origin"])
DUPLICATES = Counter("onedoor_duplicates_total", "Messages dropped because their case had heard them before.")
DEAD_LETTERS = Counter("onedoor_dead_letters_total", "Messages that could not be handled and were parked.")
BATCH_SECONDS = Histogram(
    "onedoor_batch_seconds", "Machine time of one batch, from first statement to publication.", ["origin"]
)
RELAYED = Counter("onedoor_relayed_total", "Messages published late, because whoever said them could not.")
LAG = Gauge("onedoor_lag_records", "Records in Kafka that this process has yet to read.")
CALLS = Counter("onedoor_calls_total", "Questions put to the outside world, by how they ended.", ["outcome"])
BREAKER_OPEN = Gauge("onedoor_breaker_open", "1 while the outside world is not asked because it failed too often.")
SENDINGS = Counter("onedoor_sendings_total", "Attempts to reach a person, by how they ended.", ["outcome"])
HTTP_REFUSED = Counter(
    "onedoor_http_refused_total", "Connections given up or refused before a request was read whole.", ["reason"]
)
CONSUMER_STOPPED = Gauge("onedoor_consumer_stopped", "1 when too many dead letters have stopped the consumer.")


SELDOM_S = 10.0


class RepetitionFilter(logging.Filter):
    """Lets one library say the same thing once in a while: each attempt to reach a Kafka that is away is a line."""

    def __init__(self, library: str) -> None:
        super().__init__(library)
        self._said: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether this line may be written; a line is known by its text before anything is filled in."""
        if not super().filter(record):
            return True  # another's
        if record.created - self._said.get(str(record.msg), 0.0) < SELDOM_S:
            return False
        self._said[str(record.msg)] = record.created
        return True


def logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger whose lines carry the process's service and replica."""
    return cast(structlog.stdlib.BoundLogger, structlog.get_logger(name))


def configure(service: str, replica: str, level: str) -> None:
    """Send all logs of this process, ours and the libraries', to standard output as JSON lines."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
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
    for chatty in ("httpx2", "httpcore2", "asyncssh", "aiokafka", "alembic"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))
    # A logger's filter sees what is said to that logger and not to those below it, so it goes before the handler.
    handler.addFilter(RepetitionFilter("aiokafka"))
    structlog.contextvars.bind_contextvars(service=service, replica=replica)
