"""Connections to Kafka: how to reach it, its topics, and publishing to it."""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, NoError, TopicAlreadyExistsError, for_code
from aiokafka.helpers import create_ssl_context
from aiokafka.partitioner import murmur2
from aiokafka.producer.message_accumulator import BatchBuilder
from faststream.kafka.security import parse_security
from faststream.security import BaseSecurity, SASLPlaintext, SASLScram256, SASLScram512

from contracts.codec import CONTENT_TYPE_HEADER
from contracts.topics import MAX_RECORD_BYTES
from services.runtime import telemetry
from services.runtime.settings import Settings
from services.runtime.store import Said

PUBLISH_TIMEOUT_S = 5.0
"""Machine seconds after which Kafka counts as away and what was said is left to the relay."""

RETRY_MS = 500
"""Machine milliseconds between two attempts of a client to reach Kafka. aiokafka's own 100 keep a processor busy that
Kafka needs to start."""

TOPIC_S = 1.0
"""Machine seconds that are spent on finding out whether Kafka has a topic."""

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


class Unfit(KafkaError):  # type: ignore[misc]
    """The cluster cannot make the topics as they are wanted, or not yet. The message says why."""


class Topics:
    """The topics that there must be, each with the settings' prefix before its name.

    A cluster can come back without them: its disks were lost, or it was set up anew. The services' databases know
    all that matters, so work goes on as soon as there are topics again, and nobody should have to start services
    for that.
    """

    def __init__(self, settings: Settings, names: Iterable[str]) -> None:
        self._settings = settings
        self._wanted = frozenset(settings.topic_prefix + name for name in names)
        self._admin: AIOKafkaAdminClient | None = None
        self._looking = asyncio.Lock()
        self._there = True
        self._thin: frozenset[str] = frozenset()

    async def ensure(self) -> None:
        """Make those that do not exist. Raises `KafkaError` or `OSError` when the cluster will not, or is away."""
        async with self._looking:
            try:
                admin = await self._connected()
                found = {topic["topic"]: topic for topic in await admin.describe_topics()}
                if missing := sorted(self._wanted - found.keys()):
                    await self._make(admin, missing)
                self._warn_of_thin([topic for name, topic in found.items() if name in self._wanted])
            except BaseException:
                await self.close()  # the next attempt begins with the addresses in the settings
                raise

    async def run_once(self) -> bool:
        """Look once, with one small request, and make what is missing; False, for `forever`. A cluster that is away
        is no fault: who has something to say to it notices by himself."""
        try:
            await self.ensure()
            self._there = True
        except (KafkaError, OSError) as error:
            if self._there:
                log.warning("topics cannot be looked after", error=repr(error))
            self._there = False
        return False

    async def close(self) -> None:
        """Disconnect. It may be used again."""
        if self._admin is not None:
            admin, self._admin = self._admin, None
            await admin.close()

    async def _connected(self) -> AIOKafkaAdminClient:
        if self._admin is None:
            admin = self._admin = AIOKafkaAdminClient(
                **connection(self._settings), request_timeout_ms=int(PUBLISH_TIMEOUT_S * 1000)
            )
            await admin.start()
        return self._admin

    async def _make(self, admin: AIOKafkaAdminClient, names: Sequence[str]) -> None:
        cluster = await admin.describe_cluster()
        brokers = [broker["node_id"] for broker in cluster["brokers"]]
        if cluster["controller_id"] not in brokers:
            raise Unfit("the cluster has no controller yet")
        if len(brokers) < self._settings.replication:
            raise Unfit(f"replicas wanted: {self._settings.replication}; brokers there: {len(brokers)}")
        log.info("creating topics", topics=list(names))
        answer = await admin.create_topics([_topic(self._settings, name) for name in names])
        for name, code, *_ in answer.topic_errors:
            kind = for_code(code)
            if kind is TopicAlreadyExistsError:
                log.info("a topic was created by another process", topic=name)
            elif kind is not NoError:
                raise Unfit(f"topic {name} cannot be made: {kind.__name__}")

    def _warn_of_thin(self, topics: Sequence[dict[str, Any]]) -> None:
        """Say once which topics have fewer replicas than wanted: somebody else, or a cluster of another size, has
        made them, and a broker's disk can take their records with it."""
        wanted = self._settings.replication
        thin = frozenset(t["topic"] for t in topics if any(len(p["replicas"]) < wanted for p in t["partitions"]))
        if thin - self._thin:
            log.warning("topics have fewer replicas than wanted", topics=sorted(thin - self._thin), wanted=wanted)
        self._thin = thin


def _topic(settings: Settings, name: str) -> NewTopic:
    return NewTopic(
        name,
        num_partitions=settings.partitions,
        replication_factor=settings.replication,
        topic_configs={
            "retention.ms": str(settings.topic_retention_days * 86_400_000),
            "max.message.bytes": str(4 * MAX_RECORD_BYTES),
            # One replica may be lost or away, whatever the number of replicas from three on.
            "min.insync.replicas": str(max(1, settings.replication - 1)),
            # A replica that has missed acknowledged records must not become the leader, however the cluster is set.
            "unclean.leader.election.enable": "false",
        },
    )


@lru_cache(maxsize=4096)
def _place(key: bytes) -> int:
    """Kafka's own hash of a key. A case says several things, and this is reckoned in Python."""
    return int(murmur2(key)) & 0x7FFFFFFF


@dataclass(frozen=True, slots=True)
class _Batch:
    """Messages for one partition, which Kafka acknowledges together."""

    topic: str
    partition: int
    builder: BatchBuilder
    said: list[Said]

    def add(self, one: Said, key: bytes) -> bool:
        """Whether there was room for one more. There always is for the first."""
        if self.builder.append(timestamp=None, key=key, value=one.event, headers=CONTENT_TYPE_HEADER) is None:
            return False
        self.said.append(one)
        return True


def _batches(producer: AIOKafkaProducer, said: Iterable[Said], partitions: Mapping[str, int]) -> list[_Batch]:
    """The messages by partition, in their order; those whose topic has no partitions are left out.

    Handed to the producer one by one, each would have a future of its own, and be told of by itself.
    """
    batches: list[_Batch] = []
    latest: dict[tuple[str, int], _Batch] = {}
    for one in said:
        if not (count := partitions[one.topic]):
            continue
        key = one.case_id.encode()
        place = one.topic, _place(key) % count
        batch = latest.get(place)
        if batch is None or not batch.add(one, key):
            batch = latest[place] = _Batch(*place, producer.create_batch(), [])
            batches.append(batch)
            batch.add(one, key)
    return batches


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
        self._handing = asyncio.Lock()
        """Held while messages are handed to the producer, which makes each partition's wait for those before them: who
        came later would overtake in another partition, and with him what his case said later."""
        self._away_until = 0.0
        self._reached: dict[tuple[str, int], int] = {}
        """The highest offset acknowledged, by topic and partition."""
        self._logs = 0
        """Counts the logs that were found to be other ones than before."""
        self.away = False
        """Kafka did not acknowledge what was sent last."""
        self.log_lost = False
        """Kafka has acknowledged a lower offset than before: its log is another one, and what was in the old is gone.
        Whoever makes good for it takes the mark off."""

    async def publish(self, said: Sequence[Said]) -> Sequence[Said]:
        """Send these; those that were acknowledged."""
        if time.monotonic() < self._away_until:
            return ()
        logs, reached = self._logs, dict(self._reached)  # what was acknowledged before these are sent
        sent: list[tuple[_Batch, asyncio.Future[Any]]] = []
        fault: BaseException | None = None
        try:
            async with asyncio.timeout(PUBLISH_TIMEOUT_S):
                producer = await self._started()
                partitions = {topic: await self._partitions(producer, topic) for topic in {one.topic for one in said}}
                async with self._handing:
                    for batch in _batches(producer, said, partitions):
                        topic = self._prefix + batch.topic
                        sent.append((batch, await producer.send_batch(batch.builder, topic, partition=batch.partition)))
                if sent:
                    await asyncio.wait([future for _, future in sent])
        except (KafkaError, TimeoutError, OSError) as error:
            fault = error
        acknowledged: list[Said] = []
        for batch, future in sent:
            if future.done() and not future.cancelled() and (failure := future.exception()) is None:
                acknowledged += batch.said
                if logs == self._logs:  # else several were under way when the log was lost, and one has noticed
                    self._note(reached, (batch.topic, batch.partition), future.result().offset, len(batch.said))
            elif future.done():
                fault = failure or fault
        if fault is not None:
            await self._away(fault)
        elif sent:
            self.away = False
        return acknowledged

    async def _partitions(self, producer: AIOKafkaProducer, topic: str) -> int:
        """How many partitions this topic has; none if it is not there, which must not hold up the other topics."""
        name = self._prefix + topic
        if known := producer.client.cluster.partitions_for_topic(name):
            return len(known)
        try:
            async with asyncio.timeout(TOPIC_S):
                return len(await producer.partitions_for(name))
        except (KafkaError, TimeoutError) as error:
            log.warning("no such topic; what is said on it waits", topic=topic, error=repr(error))
            return 0

    def _note(self, reached: dict[tuple[str, int], int], partition: tuple[str, int], offset: int, count: int) -> None:
        """So many messages were acknowledged in a partition, the first of them at this offset."""
        if offset < reached.get(partition, 0):
            log.warning("Kafka's log is another one than before", topic=partition[0], partition=partition[1])
            self.log_lost = True
            self._logs += 1
            self._reached.clear()
        self._reached[partition] = max(offset + count - 1, self._reached.get(partition, 0))

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
                    retry_backoff_ms=RETRY_MS,
                )
                try:
                    await producer.start()
                except BaseException:
                    await producer.stop()
                    raise
                self._producer = producer
            return self._producer

    async def _away(self, error: BaseException) -> None:
        self.away = True
        self._away_until = time.monotonic() + AWAY_S
        log.warning("Kafka did not acknowledge; the relay will publish", error=repr(error))
        if self._producer is not None:
            producer, self._producer = self._producer, None
            try:
                async with asyncio.timeout(PUBLISH_TIMEOUT_S):
                    await producer.stop()
            except (KafkaError, TimeoutError, OSError) as failure:
                log.warning("the producer did not stop cleanly", error=repr(failure))
