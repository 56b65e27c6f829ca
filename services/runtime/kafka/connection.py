"""The connection of every Kafka client: addresses and authentication."""

from typing import Any

from aiokafka.helpers import create_ssl_context
from faststream.kafka.security import parse_security
from faststream.security import BaseSecurity, SASLPlaintext, SASLScram256, SASLScram512

from services.runtime.settings import KafkaSettings

RETRY_MS = 500
"""Machine milliseconds between two attempts of a client to reach Kafka. With aiokafka's own 100, the attempts take CPU
that Kafka needs to start."""

TIMEOUT_S = 5.0
"""Machine seconds after which a request of the publisher, or about topics, fails and Kafka counts as unavailable."""


def connection(settings: KafkaSettings) -> dict[str, Any]:
    """The arguments with which any aiokafka client reaches the cluster of these settings."""
    return {
        "bootstrap_servers": addresses(settings),
        "client_id": client_id(settings),
        **parse_security(security(settings)),
    }


def addresses(settings: KafkaSettings) -> list[str]:
    """The bootstrap addresses. A list, because FastStream takes a string for a single address."""
    return [address.strip() for address in settings.kafka.split(",")]


def client_id(settings: KafkaSettings) -> str:
    """The name of this process in the cluster's logs."""
    return f"onedoor-{settings.service}-{settings.replica}"


def security(settings: KafkaSettings) -> BaseSecurity:
    """How this process authenticates to the cluster, and whether the connection is encrypted."""
    ssl = create_ssl_context(cafile=settings.kafka_ca_file) if settings.kafka_security.endswith("SSL") else None
    if settings.kafka_username is None or settings.kafka_password is None:
        return BaseSecurity(ssl_context=ssl)
    mechanism = {"PLAIN": SASLPlaintext, "SCRAM-SHA-256": SASLScram256, "SCRAM-SHA-512": SASLScram512}
    return mechanism[settings.kafka_sasl_mechanism](
        username=settings.kafka_username, password=settings.kafka_password.get_secret_value(), ssl_context=ssl
    )
