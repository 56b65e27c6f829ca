"""A service process: everything that runs around a core, started and stopped in order."""

import asyncio
import gc
from collections.abc import Awaitable, Callable, Coroutine
from datetime import timedelta
from functools import partial
from typing import Any, Generic, TypeVar, cast
from uuid import uuid4

import uvloop
from aiokafka.errors import KafkaError
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.bilingual import Bilingual, both
from contracts.envelope import Document, Message, envelop
from contracts.messages.documents import PostsPublished
from contracts.messages.processes import ProcessReported
from contracts.registry import REGISTRY, topics_for
from contracts.rights.holders import Holders
from contracts.values import Value
from contracts.zone import CHINA
from services.runtime import advice, reported, telemetry
from services.runtime.batch.message import InboundMessage
from services.runtime.batch.processor import BatchProcessor
from services.runtime.batch.queue import BatchQueue, Overloaded
from services.runtime.clock import Clock, FileClock, open_clock
from services.runtime.configuration import WrongSetting
from services.runtime.external_system import ExternalSystem
from services.runtime.failures import ADVICE, Failures
from services.runtime.http.app import application
from services.runtime.http.connections.server import serving
from services.runtime.http.operating import topics
from services.runtime.http.operating.routes import add_health, operator_application
from services.runtime.http.operating.state import platform_by
from services.runtime.http.pages.application import service_pages
from services.runtime.http.site import Site
from services.runtime.jobs.access_recorder import AccessRecorder
from services.runtime.jobs.cleaner import Cleaner
from services.runtime.jobs.external_calls import CHECK_INTERVAL_S, ExternalCalls
from services.runtime.jobs.loop import run_periodically
from services.runtime.jobs.outbox_relay import OutboxRelay
from services.runtime.jobs.reporter import Reporter
from services.runtime.jobs.rollout import Rollout
from services.runtime.jobs.timers import Timers, watch_clock
from services.runtime.journal.access import record_writer
from services.runtime.journal.blocks import signing_key
from services.runtime.journal.decisions import Decisions
from services.runtime.journal.writer import JournalWriter
from services.runtime.kafka import reports
from services.runtime.kafka.consumer import Consumer
from services.runtime.kafka.documents import Documents
from services.runtime.kafka.publisher import Publisher
from services.runtime.kafka.topics import Topics
from services.runtime.own_state import OwnState
from services.runtime.reported import Reports
from services.runtime.security.access import Access
from services.runtime.security.access_tokens import TokenVerifier
from services.runtime.service import Loop, Service
from services.runtime.settings import Settings
from services.runtime.stop_signal import stop_signal
from services.runtime.store import cases
from services.runtime.store.chains import JOURNAL
from services.runtime.store.database import open_database

S = TypeVar("S", bound=Value)
D = TypeVar("D", bound=Document)

FLUSH_S = 1.0
"""Machine seconds between acknowledgements of processed records to Kafka. Published messages are marked as well, if no
batch has done it."""

TOPICS_S = 5.0
"""Machine seconds between two checks for missing topics. A cluster that has lost its log has none."""

FINISH_BATCH_S = 3.0
"""Machine seconds for the present batch when the process ends. The relay has to publish the messages of a batch that is
cut off."""

RETENTION_S = 60.0
"""Machine seconds between two runs of the cleaner."""

JOURNAL_S = 5.0
"""Machine seconds between two runs of the writer of a journal."""

REPORT_S = 2.0
"""Machine seconds for the last report. Without it the process shows as silent."""

STOP_STEP_S = 10.0
"""Machine seconds after which a step of stopping is given up, and the next one follows."""

DOCUMENTS_S = 1.0
"""Machine seconds between two looks whether a document came into force that others follow."""

JOINING = "joining the consumer group"
"""The name of this work among the failures of the process."""

log = telemetry.logger(__name__)


class ServiceProcess(Generic[S]):
    """One replica of a service. Use as an asynchronous context manager; it runs until the context ends."""

    def __init__(self, service: Service[S], settings: Settings) -> None:
        self.service = service
        self.settings = settings
        self.clock: Clock = open_clock(settings.clock)
        self.database: AsyncEngine = open_database(
            settings.database.get_secret_value(), f"onedoor {service.name}", settings.database_connections
        )
        self.failures = Failures()
        self.publisher = Publisher(settings, self.failures)
        all_topics = topics_for(REGISTRY, settings.systems)
        self.processor: BatchProcessor[S] = BatchProcessor(
            service, self.database, self.clock, self.publisher.publish, frozenset(all_topics)
        )
        self.queue = BatchQueue(self.processor, settings.batch, self.failures)
        own_topics = topics_for(service.consumes, settings.systems_of(service.name))
        self.consumer = Consumer(settings, own_topics, service.consumes, self.queue, self.clock, self.failures)
        self._topics = Topics(settings, all_topics)
        self._tokens = TokenVerifier(settings.issuer or "", settings.audience, subject_claim=settings.subject_claim)
        self.documents = Documents(settings, self.database, self.failures, self._follow, service.received)
        self._published = service.published()
        self.recorder = AccessRecorder(self.database, self.failures)
        self.access = Access(
            self._tokens,
            lambda: self.clock.now().astimezone(CHINA).date(),
            self.recorder,
            lambda: self.documents.loaded,
        )
        self.reports = Reports()
        """The reports of all processes, where the service follows them."""
        self._tasks: list[asyncio.Task[None]] = []
        self.external_calls: ExternalCalls[S] | None = None
        self._external_system: ExternalSystem | None = None
        self.state = OwnState(
            service,
            settings,
            self.database,
            self.clock,
            self.consumer,
            self.processor,
            self.failures,
            lambda: self.documents.loaded,
            lambda: self.external_calls,
        )
        watch = partial(platform_by, self) if service.watches_processes else None
        self._reporter = Reporter(self.state.report, self.publisher.publish, watch)
        self.stopping = asyncio.Event()
        """Set when the process is to end: endless responses, such as streams, end then."""
        self.fault: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Receives the exception that ended a background task."""

    async def command(self, case_id: str, message: Message) -> S:
        """Process one message of the service's own; see `ServiceHost.command`."""
        (result,) = await self.commands([(case_id, message)])
        if isinstance(result, BaseException):
            raise result
        return result

    async def commands(self, messages: list[tuple[str, Message]]) -> list[S | BaseException]:
        """Process several messages of the service's own; see `ServiceHost.commands`."""
        if self.queue.full:
            raise Overloaded
        at = self.clock.now()
        received = [
            InboundMessage(envelop(message, id=uuid4(), source=self.service.source, subject=case_id, time=at))
            for case_id, message in messages
        ]
        return cast("list[S | BaseException]", await self.queue.submit(received))

    async def read(self, case_id: str) -> S | None:
        """The state of a case as it was last committed, or None."""
        state = await cases.state_of(self.database, case_id)
        return self.service.state.model_validate_json(state) if state is not None else None

    def document(self, kind: type[D]) -> D | None:
        """The document of this kind in force here; see `ServiceHost.document`."""
        return self.documents.newest(kind)

    async def faults(self) -> list[Bilingual]:
        """The reasons why this replica cannot do its work; none if it is ready."""
        return await self.state.faults()

    async def report(self) -> ProcessReported:
        """The state of this process as of now."""
        return await self.state.report()

    def impairments(self) -> list[Bilingual]:
        """The parts of its work that this replica cannot do at present."""
        return self.state.impairments()

    async def __aenter__(self) -> "ServiceProcess[S]":
        """Start the loops on the database first, and the consumer as soon as Kafka is available."""
        try:
            await self._start_all()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def _start_all(self) -> None:
        settings, processor = self.settings, self.processor
        timers = Timers(processor, settings.batch)
        publisher, age = self.publisher, timedelta(seconds=settings.relay_age_s)
        relay = OutboxRelay(self.database, publisher.publish, age, publisher.refused_topics)
        journaled_until = JOURNAL.reached_query if self.service.decisions else None
        cleaner = Cleaner(self.database, self.clock, settings, journaled_until)

        async def flush() -> bool:
            await processor.flush()
            await self.consumer.acknowledge()
            if self.publisher.log_lost:
                await relay.republish()
                self.documents.forget_topic()
                self.publisher.log_lost = False
            return False

        async def run_relay() -> bool:
            more = await relay.run_once()
            if relay.busy or (relay.waiting and self.publisher.unavailable):
                processor.retry_suppression.extend()
            return more

        self._start("batches", self.queue.run())
        self._start_job("timers", timers.run_once, timers.pause, processor.schedule.changed, advice.TIMERS)
        if isinstance(self.clock, FileClock):
            self._start("clock", watch_clock(self.clock, processor.schedule.changed, processor.call_due))
        self._start_loop(Loop("flush", flush, FLUSH_S))
        self._start_loop(Loop("relay", run_relay, settings.relay_age_s / 2))
        self._start_loop(Loop("retention", partial(cleaner.run_once, settings.batch), RETENTION_S, advice.RETENTION))
        if self._published:
            self._start_loop(Loop("documents", self._publish, DOCUMENTS_S, advice.DOCUMENTS))
        key = signing_key(settings.secret_key.get_secret_value())
        if self.service.decisions:
            journal = JournalWriter(self.database, key, JOURNAL, Decisions(self.service.decisions))
            self._start_loop(Loop("journal", journal.run_once, JOURNAL_S))
        chain = record_writer(self.database, self.service.name, key)
        self._start_loop(Loop("chain of the record of access", chain.run_once, JOURNAL_S))
        for loop in self.service.background(self) if self.service.background is not None else ():
            self._start_loop(loop)
        if self.service.rules is not None:
            rollout = Rollout(processor, lambda: self.queue.busy)
            self._start_job("rollout", rollout.run_once, rollout.pause)
        if self.service.external_system is not None:
            await self._open_external_system(self.service.external_system)
        if self.service.watches_processes:
            follow = partial(reports.follow, settings, self.reports, self.failures)
            self._start_loop(Loop(reports.WORK, follow, reports.RETRY_S, reports.ADVICE))
        self._start_loop(Loop("report", self._reporter.run_once, reported.REPORTED_S, advice.REPORT))
        self._start("followed documents", self.documents.run(self._topics.ensure))
        self._start("consumer", self._consume())
        self._start_loop(Loop("topics", self._topics.run_once, TOPICS_S, advice.TOPICS))

    async def __aexit__(self, *_: object) -> None:
        """Stop: accept nothing new, finish the present batch, publish its messages, leave the consumer group.

        A step that fails or takes too long is logged, and does not keep the next ones from running.
        """
        call_s = self.settings.call_timeout_s
        await self._stop_step("leaving the consumer group", self.consumer.stop)
        if self.external_calls is not None:
            await self._stop_step("finishing the external calls", self.external_calls.drain, call_s + STOP_STEP_S)
        await self._stop_step("finishing the batch", partial(self.processor.finish_batch, FINISH_BATCH_S))
        await self._stop_step("ending the loops", self._end_tasks)
        if self._external_system is not None:
            await self._stop_step("closing the external system", self._external_system.close)
        await self._stop_step("publishing", self.processor.drain)
        await self._stop_step("writing the record of access", self.recorder.drain)
        await self._stop_step("closing the connection to the issuer of logins", self._tokens.close)
        await self._stop_step("closing the connection about topics", self._topics.close)
        await self._stop_step("reporting the end", self._reporter.stopped, REPORT_S)
        await self._stop_step("closing the publisher", self.publisher.close)
        await self._stop_step("closing the database", self.database.dispose)

    async def _stop_step(self, name: str, step: Callable[[], Awaitable[None]], limit_s: float = STOP_STEP_S) -> None:
        try:
            async with asyncio.timeout(limit_s):
                await step()
        except Exception:
            log.exception("a step of stopping has failed; the next ones follow", step=name)

    async def _end_tasks(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _open_external_system(self, make: Callable[["ServiceProcess[S]"], ExternalSystem]) -> None:
        settings = self.settings
        system = self._external_system = make(self)
        await system.open()
        timeout = timedelta(seconds=settings.call_timeout_s)
        calls = self.external_calls = ExternalCalls(system, self.processor, self.queue, settings.calls, timeout)
        self._start_job("calls", calls.call_once, lambda: CHECK_INTERVAL_S, self.processor.call_due)
        poll = partial(calls.poll_once, settings.batch)
        self._start_loop(Loop("poll", poll, settings.poll_interval_s, advice.POLL))

    async def _publish(self) -> bool:
        for published in self._published:
            await self.documents.publish(published)
        return False

    def _follow(self, document: Document) -> None:
        if isinstance(document, PostsPublished):
            self.access.holders = Holders(document)

    async def _consume(self) -> None:
        """Join the consumer group as soon as Kafka and its topics are available."""
        while True:
            try:
                await self._topics.ensure()
                await self.consumer.start()
                self.failures.succeeded(JOINING)
                return
            except (KafkaError, OSError) as error:
                self.failures.failed(JOINING, error, advice.JOINING)
                await asyncio.sleep(0.5)

    def _start_loop(self, loop: Loop) -> None:
        self._start_job(loop.name, loop.run_once, lambda: loop.pause_s, advice=loop.advice)

    def _start_job(
        self,
        name: str,
        run_once: Callable[[], Awaitable[bool]],
        pause: Callable[[], float],
        signal: asyncio.Event | None = None,
        advice: Bilingual = ADVICE,
    ) -> None:
        self._start(name, run_periodically(name, run_once, pause, self.failures, signal, advice))

    def _start(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._ended)
        self._tasks.append(task)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (error := task.exception()) is not None and not self.fault.done():
            self.fault.set_exception(error)


async def serve(service: Service[S], settings: Settings, stop: asyncio.Event) -> None:
    """Run one replica with its HTTP server until ``stop`` is set. Raises the exception that ended a part of it."""
    if settings.issuer is None:
        raise WrongSetting(
            both(
                "ONEDOOR_ISSUER is not set. It is the address of the issuer of logins, such as "
                "https://login.example.gov.cn: without it nobody could be told apart from anybody else.",
                "未设置 ONEDOOR_ISSUER。请填写登录签发方的地址，例如 https://login.example.gov.cn，否则无法识别人员身份。",
            )
        )
    process = ServiceProcess(service, settings)
    # These raise for a wrong setting, before anything starts.
    api = application(service, process)
    paused = topics.routes(process.consumer, process.access)
    operator = operator_application(api, process.faults, process.impairments, paused, process.recorder)
    pages = service_pages(service, process)
    add_health(pages, process.faults)
    async with process:
        stopping = asyncio.ensure_future(stop.wait())
        async with serving(Site(service.name, api, pages), operator, settings) as ended:
            ports = {"port": settings.port, "operator_port": settings.operator_port}
            log.info("started", host=settings.host, **ports, topics=list(process.consumer.topics))
            ends: set[asyncio.Future[Any]] = {*ended, stopping, process.fault}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            process.stopping.set()
        stopping.cancel()
        if process.fault.done():
            process.fault.result()
    log.info("stopped")


def run(service: Service[S], settings: Settings) -> None:
    """Run one replica until SIGTERM or SIGINT. Returns when it has stopped cleanly.

    Raises `WrongSetting`, and `SystemExit` after a failure, which is logged.
    """
    telemetry.configure(settings.service, settings.replica, settings.log_level)
    # Most objects of a batch die with it. Less frequent garbage collection saves several percent of CPU.
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)

    async def main() -> None:
        await serve(service, settings, stop_signal())

    with telemetry.failures_logged(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
