"""The topics there are: made by us, with their partitions."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, NoError, TopicAlreadyExistsError, for_code

from contracts.registry import MAX_RECORD_BYTES
from services.runtime.kafka.connection import PUBLISH_TIMEOUT_S, connection, log
from services.runtime.settings import Settings


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
