"""Connections to Kafka: how to reach it, its topics, and publishing to it."""

import asyncio
import time
from collections.abc import Iterable, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError
from aiokafka.helpers import create_ssl_context
from faststream.kafka.security import parse_security
from faststream.security import BaseSecurity, SASLPlaintext, SASLScram256, SASLScram512

from contracts.codec import CONTENT_TYPE_HEADER
from contracts.topics import MAX_RECORD_BYTES
from services.runtime import telemetry
from services.runtime.settings import Settings
from services.runtime.store import Said

PUBLISH_TIMEOUT_S = 5.0
"""Machine seconds after which Kafka counts as away and what was said is left to the relay."""

AWAY_S = 2.0
"""Machine seconds during which nothing is sent to a Kafka that has just failed to answer."""

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


def client_id(settings: Settings) -> str:
    """What this process is called in the cluster's logs."""
    return f"onedoor-{settings.service}-{settings.replica}"


def connection(settings: Settings) -> dict[str, Any]:
    """The arguments by which any aiokafka client reaches the cluster of these settings."""
    return {
        "bootstrap_servers": settings.kafka,
        "client_id": client_id(settings),
        **parse_security(security(settings)),
    }


async def ensure_topics(settings: Settings, names: Iterable[str]) -> None:
    """Create those of the topics that do not exist, each with the settings' prefix before its name.

    Raises `KafkaError` when the cluster will not.
    """
    admin = AIOKafkaAdminClient(**connection(settings))
    await admin.start()
    try:
        missing = sorted({settings.topic_prefix + name for name in names} - set(await admin.list_topics()))
        if missing:
            log.info("creating topics", topics=missing)
            await admin.create_topics([_topic(settings, name) for name in missing])
    except TopicAlreadyExistsError:
        log.info("topics were created by another process")
    finally:
        await admin.close()


def _topic(settings: Settings, name: str) -> NewTopic:
    return NewTopic(
        name,
        num_partitions=settings.partitions,
        replication_factor=settings.replication,
        topic_configs={
            "retention.ms": str(settings.topic_retention_days * 86_400_000),
            "max.message.bytes": str(4 * MAX_RECORD_BYTES),
            "min.insync.replicas": str(max(1, settings.replication - 1)),
        },
    )


class Publisher:
    """Sends messages to Kafka and says which of them it acknowledged.

    It never raises for a Kafka that is away: what was not acknowledged stays marked in the outbox and is sent
    by the relay. The producer is not Kafka's idempotent one: receivers drop what they have seen, and a producer
    without a sequence outlives a broker that has lost its memory.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._prefix = settings.topic_prefix
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()
        self._away_until = 0.0

    async def publish(self, said: Sequence[Said]) -> Sequence[Said]:
        """Send these; those that were acknowledged."""
        if time.monotonic() < self._away_until:
            return ()
        try:
            async with asyncio.timeout(PUBLISH_TIMEOUT_S):
                producer = await self._started()
                futures = [
                    await producer.send(
                        self._prefix + one.topic, one.event, key=one.case_id.encode(), headers=CONTENT_TYPE_HEADER
                    )
                    for one in said
                ]
                results = await asyncio.gather(*futures, return_exceptions=True)
        except (KafkaError, TimeoutError, OSError) as error:
            await self._away(error)
            return ()
        failed = [result for result in results if isinstance(result, BaseException)]
        if failed:
            await self._away(failed[0])
        return [one for one, result in zip(said, results, strict=True) if not isinstance(result, BaseException)]

    async def close(self) -> None:
        """Send what is buffered and disconnect."""
        if self._producer is not None:
            producer, self._producer = self._producer, None
            await producer.stop()

    async def _started(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._producer is None:
                producer = AIOKafkaProducer(
                    **connection(self._settings),
                    acks="all",
                    linger_ms=1,
                    max_batch_size=512 * 1024,
                    max_request_size=8 * MAX_RECORD_BYTES,
                    request_timeout_ms=int(PUBLISH_TIMEOUT_S * 1000),
                )
                try:
                    await producer.start()
                except BaseException:
                    await producer.stop()
                    raise
                self._producer = producer
            return self._producer

    async def _away(self, error: BaseException) -> None:
        self._away_until = time.monotonic() + AWAY_S
        log.warning("Kafka did not acknowledge; the relay will publish", error=repr(error))
        if self._producer is not None:
            producer, self._producer = self._producer, None
            try:
                async with asyncio.timeout(PUBLISH_TIMEOUT_S):
                    await producer.stop()
            except (KafkaError, TimeoutError, OSError) as failure:
                log.warning("the producer did not stop cleanly", error=repr(failure))
