"""Connections to Kafka: how to reach it, its topics, and publishing to it."""

from typing import Any

from aiokafka.helpers import create_ssl_context
from faststream.kafka.security import parse_security
from faststream.security import BaseSecurity, SASLPlaintext, SASLScram256, SASLScram512

from services.runtime import telemetry
from services.runtime.settings import Settings

RETRY_MS = 500
"""Machine milliseconds between two attempts of a client to reach Kafka. aiokafka's own 100 keep a processor busy that
Kafka needs to start."""


log = telemetry.logger(__name__)


def security(settings: Settings) -> BaseSecurity:
    """How this process proves who it is to the cluster."""
    ssl = create_ssl_context(cafile=settings.kafka_ca_file) if settings.kafka_security.endswith("SSL") else None
    if settings.kafka_username is None or settings.kafka_password is None:
        return BaseSecurity(ssl_context=ssl)
    mechanism = {"PLAIN": SASLPlaintext, "SCRAM-SHA-256": SASLScram256, "SCRAM-SHA-512": SASLScram512}
    return mechanism[settings.kafka_sasl_mechanism](
        username=settings.kafka_username, password=settings.kafka_password.get_secret_value(), ssl_context=ssl
    )


def addresses(settings: Settings) -> list[str]:
    """Where the cluster is asked first. A list: FastStream takes a string for one address, commas and all."""
    return [address.strip() for address in settings.kafka.split(",")]


def client_id(settings: Settings) -> str:
    """What this process is called in the cluster's logs."""
    return f"onedoor-{settings.service}-{settings.replica}"


def connection(settings: Settings) -> dict[str, Any]:
    """The arguments by which any aiokafka client reaches the cluster of these settings."""
    return {
        "bootstrap_servers": addresses(settings),
        "client_id": client_id(settings),
        **parse_security(security(settings)),
    }


PUBLISH_TIMEOUT_S = 5.0
"""Machine seconds after which Kafka counts as away and what was said is left to the relay."""


TOPIC_S = 1.0
"""Machine seconds that are spent on finding out whether Kafka has a topic."""
