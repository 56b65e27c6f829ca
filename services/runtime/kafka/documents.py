"""Documents that one service publishes and every process follows: the newest one of each kind, on a compacted topic.

A document is kept in the service's database as well, so that a process can start while Kafka is unavailable.

Rights follow from documents. So the right to write to Kafka is not enough to give rights: each record is authenticated
by a key that only processes of onedoor have (HMAC with SHA-256: RFC 2104), and an older record that is sent again comes
into force nowhere.
"""

import asyncio
import hmac
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, TypeVar, cast
from uuid import uuid4

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from pydantic import SecretStr
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from contracts.bilingual import Bilingual, both
from contracts.codec import CONTENT_TYPE_HEADER, InvalidRecord, decode, encode
from contracts.core import backoff
from contracts.envelope import Document, Envelope, envelop
from contracts.registry import MAX_DOCUMENT_BYTES, REGISTRY, topic_of
from services.runtime import telemetry
from services.runtime.clock import machine_now
from services.runtime.failures import Failures
from services.runtime.kafka import compacted
from services.runtime.kafka.connection import connection
from services.runtime.service import Published
from services.runtime.settings import KafkaSettings
from services.runtime.store import documents
from services.runtime.store.database import transaction
from services.runtime.store.documents import UnusableVersion, VersionedDocument

TOPIC = "onedoor.documents"

SIGNATURE = "signature"
"""The header of a record that has its authentication code."""

FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=0.5), timedelta(seconds=15)
"""Machine time before the first new attempt, and before any later one."""

WORK = "following documents"
"""The name of this work among the failures of the process."""

ADVICE = Bilingual(
    "Kafka or the database is unavailable; rights follow the directory that was last received",
    "Kafka 或数据库不可用；权限按最近收到的人员名录",
)

D = TypeVar("D", bound=Document)

Received = Callable[[AsyncConnection, Document], Awaitable[None]]
"""Keeps a document in a form of the service's own, in the transaction in which it comes into force here."""

FOLLOWED: dict[str, VersionedDocument[Any]] = {
    message.kind: VersionedDocument(message.kind, message) for message in REGISTRY if issubclass(message, Document)
}
"""The kinds of documents that every process follows."""

log = telemetry.logger(__name__)


class Unauthentic(InvalidRecord):
    """The record was not written now by somebody who has the key of the installation."""


def signature(key: SecretStr, kind: bytes, value: bytes) -> bytes:
    """The code that authenticates a record with this key and value."""
    code = hmac.new(key.get_secret_value().encode(), digestmod=sha256)
    code.update(len(kind).to_bytes(4) + kind + value)
    return code.digest()


class Documents:
    """The documents in force, as this process knows them.

    ``changed`` is called with each that comes into force, and ``received`` with each that another process published.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        database: AsyncEngine,
        failures: Failures,
        changed: Callable[[Document], None],
        received: Received | None = None,
    ) -> None:
        self._settings = settings
        self._database = database
        self._failures = failures
        self._changed = changed
        self._received = received
        self._in_force: dict[str, Document] = {}
        self._on_topic: dict[str, Document] | None = None
        """The newest documents of the topic, once all of it has been read."""
        self._newest: dict[str, Envelope[Document]] = {}
        """The newest record of each kind, of those that have been read since the topic was followed last."""
        self._loaded = False

    @property
    def loaded(self) -> bool:
        """Whether the documents that were kept are read: before that nobody has any right."""
        return self._loaded

    def newest(self, kind: type[D]) -> D | None:
        """The document of this kind in force; None where there is none yet."""
        return cast(D | None, self._in_force.get(kind.kind))

    async def run(self, ensure_topic: Callable[[], Awaitable[None]]) -> None:
        """Follow the topic, without end. It is created by ``ensure_topic`` where it is missing."""
        attempts = 0
        while True:
            try:
                await self._load()
                await ensure_topic()
                await self._follow()
            except (KafkaError, DBAPIError, UnusableVersion, OSError) as error:
                attempts = self._failures.failed(WORK, error, ADVICE)
                await asyncio.sleep(backoff(attempts, FIRST_PAUSE, LONGEST_PAUSE).total_seconds())

    def forget_topic(self) -> None:
        """Kafka has lost its log: what was published is published again."""
        self._on_topic = {} if self._on_topic is not None else None

    async def publish(self, published: Published) -> None:
        """Put the document that this service publishes in force here, and publish it, unless the topic has it already.

        Raises `KafkaError`, `DBAPIError` or `UnusableVersion`.
        """
        async with self._database.connect() as connected:
            document = await published(connected)
        if document is None:
            return
        if self._in_force.get(document.kind) != document:
            self._take(document)
        if self._on_topic is None or self._on_topic.get(document.kind) == document:
            return
        envelope = envelop(
            document,
            id=uuid4(),
            source=f"/onedoor/{self._settings.service}",
            subject=document.kind,
            time=self._time_of_next(document.kind),
        )
        kind, value = document.kind.encode(), encode(envelope)
        signed = (SIGNATURE, signature(self._settings.documents_key, kind, value))
        producer = AIOKafkaProducer(
            **connection(self._settings), acks="all", compression_type="gzip", max_request_size=MAX_DOCUMENT_BYTES
        )
        async with producer:
            topic = self._settings.topic_prefix + topic_of(document)
            await producer.send_and_wait(topic, value, kind, headers=[*CONTENT_TYPE_HEADER, signed])
        self._on_topic[document.kind] = document
        log.info("document published", kind=document.kind)

    async def _load(self) -> None:
        """What was kept before, unless something newer is known already."""
        async with self._database.connect() as connected:
            for kind, versioned in FOLLOWED.items():
                if kind not in self._in_force and (found := await documents.in_force(connected, kind)) is not None:
                    self._take(versioned.parse(found.number, found.body))
        self._loaded = True

    async def _follow(self) -> None:
        self._newest = {}
        async with compacted.newest(self._settings, TOPIC, self._read, MAX_DOCUMENT_BYTES) as found:
            async for newest in found:
                self._failures.succeeded(WORK)
                await self._keep({document.kind: document for document in newest.values()})

    async def _keep(self, found: dict[str, Document]) -> None:
        self._on_topic = (self._on_topic or {}) | found
        for kind, document in found.items():
            if self._in_force.get(kind) == document:
                continue
            async with transaction(self._database) as connected:
                await documents.put(connected, FOLLOWED[kind], document, _RECEIVED)
                if self._received is not None:
                    await self._received(connected, document)
            self._take(document)

    def _read(self, record: Any) -> Document | None:
        """The document of a record. One that is not to be followed is logged, and the newest one published again."""
        try:
            envelope = cast(Envelope[Document], decode(record.value, record.key, TOPIC))
            self._authenticate(record, envelope)
        except InvalidRecord as error:
            log.error("a document is not followed", offset=record.offset, reason=str(error))
            if self._on_topic is not None and record.key is not None:
                self._on_topic.pop(record.key.decode(errors="replace"), None)
            return None
        self._newest[envelope.subject] = envelope
        return envelope.data

    def _authenticate(self, record: Any, envelope: Envelope[Document]) -> None:
        """Raises `Unauthentic`."""
        found = dict(record.headers).get(SIGNATURE, b"")
        if not hmac.compare_digest(found, signature(self._settings.documents_key, record.key, record.value)):
            raise Unauthentic(
                f"the {envelope.subject} are not signed with ONEDOOR_DOCUMENTS_KEY of this process: somebody else "
                "writes to the topic, or another process has another key",
                f"{envelope.subject} 的签名与本进程的 ONEDOOR_DOCUMENTS_KEY 不符："
                "有他人写入该主题，或另一进程的密钥不同",
            )
        newest = self._newest.get(envelope.subject)
        if newest is not None and envelope.time < newest.time and envelope.data != newest.data:
            raise Unauthentic(
                f"these {envelope.subject} are older than others that precede them: somebody has sent them again",
                f"该 {envelope.subject} 早于其前面的记录：有人将旧记录重新发送",
            )

    def _time_of_next(self, kind: str) -> datetime:
        """When a record is written: later than the newest one, also where the clock of its writer was ahead."""
        newest = self._newest.get(kind)
        return machine_now() if newest is None else max(machine_now(), newest.time + timedelta.resolution)

    def _take(self, document: Document) -> None:
        self._in_force[document.kind] = document
        self._changed(document)
        log.info("document in force", kind=document.kind)


_RECEIVED = both("received from the service that publishes it", "由发布该文件的服务下发")
