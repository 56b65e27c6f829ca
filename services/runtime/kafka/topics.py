"""The topics: created by the services themselves, with their partitions."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, NoError, TopicAlreadyExistsError, for_code

from contracts.registry import DOCUMENTS, MAX_DOCUMENT_BYTES, MAX_RECORD_BYTES, REPORTS
from services.runtime import telemetry
from services.runtime.kafka.connection import TIMEOUT_S, connection
from services.runtime.settings import KafkaSettings, Settings

DAY_MS = 86_400_000
"""Milliseconds of a day."""

SEGMENT_MS = 600_000
"""Milliseconds of the records of one segment of a topic of reports."""

log = telemetry.logger(__name__)


class TopicsNotCreated(KafkaError):  # type: ignore[misc]
    """The cluster cannot create the topics as required, or not yet. The message gives the reason."""


class Topics:
    """The topics that a service requires, each with the settings' prefix before its name.

    A cluster can come back without them, with new disks or set up anew. The services' databases hold all that matters,
    so work continues as soon as the topics exist again, and no service has to be restarted for that.
    """

    def __init__(self, settings: Settings, names: Iterable[str]) -> None:
        self._settings = settings
        self._required = frozenset(settings.topic_prefix + name for name in names)
        self._admin: AIOKafkaAdminClient | None = None
        self._ensuring = asyncio.Lock()
        self._underreplicated: frozenset[str] = frozenset()

    async def ensure(self) -> None:
        """Create the topics that do not exist.

        Raises `KafkaError`, among them `TopicsNotCreated`, or `OSError` when the cluster refuses or is unavailable.
        """
        async with self._ensuring:
            try:
                admin = await self._connected()
                found = {topic["topic"]: topic for topic in await admin.describe_topics()}
                if missing := sorted(self._required - found.keys()):
                    await self._create(admin, missing)
                self._warn_of_underreplicated([topic for name, topic in found.items() if name in self._required])
            except BaseException:
                await self.close()  # the next attempt begins with the addresses in the settings
                raise

    async def run_once(self) -> bool:
        """Check with one small request, and create what is missing. Returns False: there is never more to do at once.

        Raises what `ensure` raises.
        """
        await self.ensure()
        return False

    async def close(self) -> None:
        """Disconnect. The next call connects again."""
        if self._admin is not None:
            admin, self._admin = self._admin, None
            await admin.close()

    async def _connected(self) -> AIOKafkaAdminClient:
        if self._admin is None:
            admin = self._admin = AIOKafkaAdminClient(
                **connection(self._settings), request_timeout_ms=int(TIMEOUT_S * 1000)
            )
            await admin.start()
        return self._admin

    async def _create(self, admin: AIOKafkaAdminClient, names: Sequence[str]) -> None:
        cluster = await admin.describe_cluster()
        brokers = [broker["node_id"] for broker in cluster["brokers"]]
        if cluster["controller_id"] not in brokers:
            raise TopicsNotCreated("the cluster has no controller yet")
        if len(brokers) < self._settings.replication:
            raise TopicsNotCreated(f"replicas wanted: {self._settings.replication}; brokers there: {len(brokers)}")
        log.info("creating topics", topics=list(names))
        answer = await admin.create_topics([_topic(self._settings, name) for name in names])
        for name, code, *_ in answer.topic_errors:
            kind = for_code(code)
            if kind is TopicAlreadyExistsError:
                log.info("a topic was created by another process", topic=name)
            elif kind is not NoError:
                raise TopicsNotCreated(f"topic {name} cannot be created: {kind.__name__}")

    def _warn_of_underreplicated(self, topics: Sequence[dict[str, Any]]) -> None:
        """Log, once each, the topics with fewer replicas than configured.

        They were created otherwise, or on a smaller cluster, and the loss of one disk can lose their records.
        """
        wanted = self._settings.replication
        found = frozenset(t["topic"] for t in topics if any(len(p["replicas"]) < wanted for p in t["partitions"]))
        if new := found - self._underreplicated:
            log.warning("topics have fewer replicas than wanted", topics=sorted(new), wanted=wanted)
        self._underreplicated = found


async def require(settings: KafkaSettings, name: str) -> None:
    """Check that a topic exists, where other processes create it. Raises `TopicsNotCreated`, `KafkaError` or `OSError`.

    A consumer of a topic that does not exist would wait for it in a loop.
    """
    admin = AIOKafkaAdminClient(**connection(settings), request_timeout_ms=int(TIMEOUT_S * 1000))
    try:
        await admin.start()
        if settings.topic_prefix + name not in await admin.list_topics():
            raise TopicsNotCreated(f"topic {settings.topic_prefix}{name} does not exist yet: a service creates it")
    finally:
        await admin.close()


def _topic(settings: Settings, name: str) -> NewTopic:
    own_name = name.removeprefix(settings.topic_prefix)
    if own_name in DOCUMENTS:
        kept = {"cleanup.policy": "compact", "max.message.bytes": str(MAX_DOCUMENT_BYTES)}
    elif own_name in REPORTS:
        # Segments are compacted once they are closed. Small ones keep the topic short, and a reader's start quick.
        kept = {"cleanup.policy": "compact,delete", "retention.ms": str(DAY_MS), "segment.ms": str(SEGMENT_MS)}
    else:
        kept = {
            "retention.ms": str(settings.topic_retention_days * DAY_MS),
            "max.message.bytes": str(4 * MAX_RECORD_BYTES),
        }
    return NewTopic(
        name,
        num_partitions=1 if own_name in DOCUMENTS | REPORTS else settings.partitions,
        replication_factor=settings.replication,
        topic_configs={
            **kept,
            # One replica may be lost or unavailable, if there are three or more.
            "min.insync.replicas": str(max(1, settings.replication - 1)),
            # A replica that lacks acknowledged records must not become the leader, whatever the cluster's default is.
            "unclean.leader.election.enable": "false",
        },
    )
