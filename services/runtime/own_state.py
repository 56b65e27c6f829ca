"""The state of this process: what readiness, metrics and its report say of it, from one place."""

import asyncio
from collections.abc import Callable
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Generic, TypeVar

from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.bilingual import Bilingual
from contracts.messages.processes import Calls, PausedTopic, ProcessReported, Reason, Stored
from contracts.values import Value
from services.runtime import telemetry
from services.runtime.batch.processor import BatchProcessor
from services.runtime.clock import Clock, machine_now
from services.runtime.failures import Failures
from services.runtime.jobs.external_calls import ExternalCalls
from services.runtime.kafka.consumer import Consumer
from services.runtime.service import Service
from services.runtime.settings import Settings
from services.runtime.store import own_state
from services.runtime.store.database import DATABASE_ERRORS, TRANSACTION_S
from services.runtime.store.tables import database_faults

S = TypeVar("S", bound=Value)

QUERY_S = 3.0
"""Machine seconds for the query of a report. A database that takes longer is at fault, which the report says."""

log = telemetry.logger(__name__)


class OwnState(Generic[S]):
    """The knowledge of a process about itself. ``calls``: its external calls; None before they begin."""

    def __init__(
        self,
        service: Service[S],
        settings: Settings,
        database: AsyncEngine,
        clock: Clock,
        consumer: Consumer,
        processor: BatchProcessor[S],
        failures: Failures,
        is_loaded: Callable[[], bool],
        calls: Callable[[], ExternalCalls[S] | None],
    ) -> None:
        self._service = service
        self._settings = settings
        self._database = database
        self._clock = clock
        self._consumer = consumer
        self._processor = processor
        self._failures = failures
        self._is_loaded = is_loaded
        self._calls = calls
        self._started_at = machine_now()

    async def faults(self) -> list[Bilingual]:
        """The reasons why this replica cannot do its work; none if it is ready."""
        faults = []
        if not self._is_loaded():
            faults.append(Bilingual("documents: not read from the database yet", "文件：尚未从数据库读取"))
        if self._consumer.stopped:
            stopped = self._consumer.stopped
            faults.append(Bilingual(f"consumer stopped: {stopped}", f"消费者已停止：{stopped}"))
        elif not self._consumer.ready:
            faults.append(Bilingual("Kafka: not a member of the consumer group yet", "Kafka：尚未加入消费者组"))
        else:
            lag = await self._consumer.lag()
            if lag is None:
                faults.append(Bilingual("Kafka: lag unknown", "Kafka：积压数未知"))
            else:
                telemetry.LAG.set(lag)
        if (busy_s := self._processor.busy_s) > TRANSACTION_S:
            faults.append(
                Bilingual(
                    f"database: a batch has been running for {busy_s:.0f} s",
                    f"数据库：一个批次已运行 {busy_s:.0f} 秒",
                )
            )
        return faults + await database_faults(self._database, self._service.migrations)

    def impairments(self) -> list[Bilingual]:
        """The parts of its work that this replica cannot do at present: paused topics, and work that fails again and
        again."""
        calls = self._calls()
        held = []
        if calls is not None and calls.breaker.open:
            held = [
                Bilingual(
                    "calls: the department's system fails, and calls are held back",
                    "calls：部门系统出错，调用已暂缓",
                )
            ]
        return [*self._consumer.impairments(), *held, *self._failures.shown()]

    async def report(self) -> ProcessReported:
        """All of it as of now."""
        calls = self._calls()
        faults = await self.faults()
        return ProcessReported(
            service=self._service.name,
            replica=self._settings.replica,
            version=program_version(),
            started_at=self._started_at,
            faults=_reasons(faults),
            impairments=_reasons(self.impairments()),
            lag=await self._consumer.lag(),
            paused=tuple(
                PausedTopic(topic=topic, since=one.since, reason=Reason(en=one.reason.en, zh=one.reason.zh))
                for topic, one in self._consumer.paused.items()
            ),
            calls=Calls(under_way=calls.under_way, held_back=calls.breaker.open) if calls is not None else None,
            stored=await self._stored(),
        )

    async def _stored(self) -> Stored | None:
        rules = self._service.rules
        try:
            async with asyncio.timeout(QUERY_S), self._database.connect() as connection:
                return await own_state.read(
                    connection,
                    self._clock.now(),
                    has_journal=bool(self._service.decisions),
                    rules=rules.kind if rules is not None else None,
                )
        except (*DATABASE_ERRORS, TimeoutError) as error:
            log.warning("the state of the database cannot be read for the report", error=error)
            return None


@cache
def program_version() -> str:
    """The version of the installed program."""
    try:
        return version("onedoor")
    except PackageNotFoundError:
        return "unknown"


def _reasons(texts: list[Bilingual]) -> tuple[Reason, ...]:
    return tuple(Reason(en=one.en[:2000], zh=one.zh[:2000]) for one in texts)
