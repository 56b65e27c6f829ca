"""The judgement of all that processes report: is everything in order, and if not, what has to be done. Pure."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from enum import IntEnum, unique
from typing import NamedTuple

from contracts.bilingual import Bilingual
from contracts.messages.processes import ProcessReported, Stored
from contracts.registry import REGISTRY
from contracts.zone import CHINA
from services.runtime.reported import SILENT, Reported

UNPUBLISHED_S = 60.0
"""Age of a message from which it should have been published."""

TIMER_S = 60.0
"""Seconds, by the shared clock, after which a due timer should have fired."""

CHAINED = timedelta(minutes=10)
"""Age of a decision from which it should be chained."""

FREE_SHARE = 0.1
"""The share of a disk that should be free."""

_ROLES = frozenset({"departments", "processes"})
"""Those in the registry of messages that stand for several services."""


@unique
class Condition(IntEnum):
    """The condition of a process, the worst first."""

    SILENT = 0
    """Its reports are missing."""
    NOT_READY = 1
    IMPAIRED = 2
    UNKNOWN = 3
    """Kafka delivers no reports now: this was its condition then."""
    READY = 4


@unique
class Kind(IntEnum):
    """Kinds of trouble, in the order in which to see to them."""

    KAFKA = 0
    MISSING = 1
    SILENT = 2
    FAULT = 3
    IMPAIRMENT = 4
    DATABASE = 5
    BLOCKING_LETTERS = 6
    UNPUBLISHED = 7
    TIMERS = 8
    JOURNAL = 9
    DISK = 10
    LETTERS = 11


class Trouble(NamedTuple):
    """Something that an operator has to see to: what it is, and what to do."""

    kind: Kind
    service: str
    text: Bilingual
    page: str | None = None
    """Where to see to it."""


class ProcessState(NamedTuple):
    """A process, as of its latest report."""

    report: ProcessReported
    at: datetime
    condition: Condition


class ServiceState(NamedTuple):
    """A service: its processes, the worst first."""

    name: str
    processes: tuple[ProcessState, ...]

    @property
    def condition(self) -> Condition:
        """That of its worst process."""
        return min((one.condition for one in self.processes), default=Condition.SILENT)

    @property
    def ready(self) -> int:
        """How many of its processes can do their work."""
        return sum(one.condition in (Condition.READY, Condition.IMPAIRED) for one in self.processes)

    @property
    def lag(self) -> int | None:
        """Records that its processes have not read yet; None where none of them knows."""
        known = [one.report.lag for one in self.processes if one.report.lag is not None]
        return sum(known) if known else None

    @property
    def stored(self) -> Stored | None:
        """The state of its database, by the latest report that knows it."""
        known = [one for one in self.processes if one.report.stored is not None]
        return max(known, key=lambda one: one.at).report.stored if known else None

    @property
    def calls_under_way(self) -> int | None:
        """External calls of all its processes; None for a service without any."""
        known = [one.report.calls for one in self.processes if one.report.calls is not None]
        return sum(one.under_way for one in known) if known else None

    @property
    def holds_calls_back(self) -> bool:
        """Whether one of its processes makes no calls for now."""
        return any(one.report.calls is not None and one.report.calls.held_back for one in self.processes)


class Platform(NamedTuple):
    """All processes as one of them sees them."""

    as_of: datetime
    delivers: bool
    """Whether Kafka delivers reports."""
    services: tuple[ServiceState, ...]
    """The worst first."""
    troubles: tuple[Trouble, ...]
    """In the order in which to see to them."""

    @property
    def silent(self) -> int:
        """How many processes are silent."""
        return sum(one.condition is Condition.SILENT for service in self.services for one in service.processes)


def expected_services(systems: Collection[str]) -> frozenset[str]:
    """The services that an installation with these department systems has."""
    routes = REGISTRY.values()
    named = {name for route in routes for name in (route.producer, *route.consumers)}
    return frozenset(named - _ROLES | set(systems))


def judge(own: ProcessReported, known: Sequence[Reported], expected: Collection[str], now: datetime) -> Platform:
    """The platform as of ``now``. ``own``: the state of this process as of now, known without Kafka."""
    echo = next((one for one in known if one.report.process == own.process), None)
    delivers = not echo.is_silent(now) if echo is not None else now - own.started_at <= SILENT
    states = [ProcessState(own, now, condition_of(own))]
    states += [
        ProcessState(one.report, one.at, _condition(one, now, delivers))
        for one in known
        if one.report.process != own.process
    ]
    names = {one.report.service for one in states} | set(expected)
    services = [
        ServiceState(name, tuple(sorted(_of(states, name), key=lambda one: (one.condition, one.report.replica))))
        for name in names
    ]
    services.sort(key=lambda one: (one.condition, one.name))
    troubles = [trouble for service in services for trouble in _troubles(service, now, delivers)]
    if not delivers:
        troubles.append(_no_kafka(echo, own))
    troubles.sort(key=lambda one: (one.kind, one.service))
    return Platform(now, delivers, tuple(services), tuple(troubles))


def condition_of(report: ProcessReported) -> Condition:
    """The condition of a process by a report that has just been made."""
    if report.faults:
        return Condition.NOT_READY
    return Condition.IMPAIRED if report.impairments else Condition.READY


def troubles_of(report: ProcessReported, now: datetime) -> tuple[Trouble, ...]:
    """The judgement of one process alone, by a report of now."""
    found = [*_of_process(ProcessState(report, now, condition_of(report)))]
    found += _of_database(report.service, report.stored, now)
    return tuple(sorted(found, key=lambda one: one.kind))


def _condition(one: Reported, now: datetime, delivers: bool) -> Condition:
    if one.is_silent(now):
        return Condition.SILENT if delivers else Condition.UNKNOWN
    return condition_of(one.report)


def _of(states: Iterable[ProcessState], service: str) -> Iterator[ProcessState]:
    return (one for one in states if one.report.service == service)


def _troubles(service: ServiceState, now: datetime, delivers: bool) -> Iterator[Trouble]:
    if not service.processes:
        if delivers:
            yield Trouble(
                Kind.MISSING,
                service.name,
                Bilingual(
                    f"No process of {service.name} has reported for a day: start it. Its messages wait in Kafka.",
                    f"{service.name} 一天来没有进程报告：请启动。其消息在 Kafka 等待。",
                ),
            )
        return
    silent = [one for one in service.processes if one.condition is Condition.SILENT]
    for one in silent:
        yield _silent(one, others=len(silent) < len(service.processes))
    for one in service.processes:
        if one.condition not in (Condition.SILENT, Condition.UNKNOWN):
            yield from _of_process(one)
    if len(silent) < len(service.processes) and service.condition is not Condition.UNKNOWN:
        yield from _of_database(service.name, service.stored, now)


def _of_process(one: ProcessState) -> Iterator[Trouble]:
    name, page = one.report.process, f"/ops/{one.report.service}"
    for reason in one.report.faults:
        text = Bilingual(f"{name} cannot work. {reason.en}", f"{name} 无法工作。{reason.zh}")
        yield Trouble(Kind.FAULT, one.report.service, text, page)
    for reason in one.report.impairments:
        text = Bilingual(f"{name}: {reason.en}", f"{name}：{reason.zh}")
        yield Trouble(Kind.IMPAIRMENT, one.report.service, text, page)


def _of_database(service: str, stored: Stored | None, now: datetime) -> Iterator[Trouble]:
    page, letters = f"/ops/{service}", f"/ops/{service}/letters"
    if stored is None:
        text = Bilingual(
            f"The database of {service} cannot be read: see whether it runs, and the log of {service}.",
            f"无法读取 {service} 的数据库：请查看数据库是否运行，并查看 {service} 的日志。",
        )
        yield Trouble(Kind.DATABASE, service, text, page)
        return
    if stored.blocked_cases:
        text = Bilingual(
            f"{service}: {_many(stored.blocked_cases, 'case waits', 'cases wait')} behind a dead letter. Read it, then "
            "replay or drop it.",
            f"{service}：有 {stored.blocked_cases} 个办件在死信之后等待。请查看并重放或丢弃。",
        )
        yield Trouble(Kind.BLOCKING_LETTERS, service, text, letters)
    elif stored.letters:
        text = Bilingual(
            f"{service}: {_many(stored.letters, 'dead letter waits', 'dead letters wait')} for an operator, "
            "and no case behind it.",
            f"{service}：有 {stored.letters} 封死信待处理，没有办件因此等待。",
        )
        yield Trouble(Kind.LETTERS, service, text, letters)
    if stored.oldest_unpublished_s > UNPUBLISHED_S:
        text = Bilingual(
            f"{service}: a message has waited {stored.oldest_unpublished_s:.0f} s for Kafka. Nothing is lost: see "
            "whether Kafka takes messages; they are then published by themselves.",
            f"{service}：有消息已等待 Kafka {stored.oldest_unpublished_s:.0f} 秒。数据不会丢失：请查看 Kafka "
            "是否接收消息，恢复后会自动补发。",
        )
        yield Trouble(Kind.UNPUBLISHED, service, text, page)
    if stored.latest_timer_s > TIMER_S:
        text = Bilingual(
            f"{service}: {stored.timers_due} timers are due, the first for {stored.latest_timer_s:.0f} s. Deadlines "
            f"fire late: see the job timers in the log of {service}, and the load of its database.",
            f"{service}：有 {stored.timers_due} 个定时已到期未触发，最早的已 {stored.latest_timer_s:.0f} 秒。"
            f"到期处理会延迟：请查看 {service} 日志中的 timers 作业和数据库负载。",
        )
        yield Trouble(Kind.TIMERS, service, text, page)
    if stored.journal is not None and stored.journal.chained_until is not None:
        behind = now - stored.journal.chained_until
        if behind > CHAINED:
            minutes = int(behind.total_seconds() // 60)
            text = Bilingual(
                f"{service}: the journal is {minutes} minutes behind. See the job journal in the log of {service}.",
                f"{service}：决定日志落后 {minutes} 分钟。请查看 {service} 日志中的 journal 作业。",
            )
            yield Trouble(Kind.JOURNAL, service, text, page)
    if stored.free_bytes is not None and stored.disk_bytes:
        share = stored.free_bytes / stored.disk_bytes
        if share < FREE_SHARE:
            text = Bilingual(
                f"{service}: {share:.0%} of the disk of its database is free. Make room before it is full.",
                f"{service}：数据库所在磁盘仅剩 {share:.0%}。请在写满前腾出空间。",
            )
            yield Trouble(Kind.DISK, service, text, page)


def _many(number: int, one: str, several: str) -> str:
    return f"{number:,} {one if number == 1 else several}"


def _silent(one: ProcessState, *, others: bool) -> Trouble:
    at = f"{one.at.astimezone(CHINA):%Y-%m-%d %H:%M:%S}"
    name, service = one.report.process, one.report.service
    en = "Others of the service do its work." if others else "No other process does its work, and messages wait."
    zh = "同一服务的其他进程接替其工作。" if others else "没有其他进程接替，消息在等待。"
    text = Bilingual(
        f"{name} has not reported since {at} Beijing time. {en} See whether it runs, and the end of its log; start it "
        "again.",
        f"{name} 自北京时间 {at} 起没有报告。{zh}请查看其是否运行及日志末尾，并重新启动。",
    )
    return Trouble(Kind.SILENT, service, text)


def _no_kafka(echo: Reported | None, own: ProcessReported) -> Trouble:
    since = echo.at if echo is not None else own.started_at
    at = f"{since.astimezone(CHINA):%Y-%m-%d %H:%M:%S}"
    text = Bilingual(
        f"Kafka has delivered no report since {at} Beijing time: what stands here of other processes is as of then. "
        "Nothing is lost: messages wait in the databases, and are published when Kafka is back. Start Kafka; ask each "
        "process by /health/ready on its operator's port.",
        f"自北京时间 {at} 起 Kafka 未送达任何报告：其他进程的状态截至当时。数据不会丢失：消息留在各数据库，Kafka 恢复后"
        "自动补发。请启动 Kafka；各进程可在其运行维护端口用 /health/ready 查询。",
    )
    return Trouble(Kind.KAFKA, own.service, text)
