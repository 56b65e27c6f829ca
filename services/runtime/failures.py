"""Failures that repeat in a process: the log has each once, metrics and readiness until the work succeeds again."""

from dataclasses import dataclass, field
from datetime import datetime

from contracts.bilingual import Bilingual
from services.runtime import telemetry
from services.runtime.clock import machine_now

SHOWN_AFTER = 3
"""Failures in a row after which readiness shows them. A single one is usually over by the next attempt."""

ADVICE = Bilingual(
    "the reason is in the log of this process; it is tried again until it succeeds",
    "原因见本进程的日志；将一直重试到成功为止",
)

log = telemetry.logger(__name__)


@dataclass(slots=True)
class _Failure:
    since: datetime
    advice: Bilingual
    count: int = 0
    kind: str = ""
    """The type of the latest exception. Its text is not shown: it may contain personal data."""
    logged: set[str] = field(default_factory=set)
    """The types of exceptions that are in the log already."""


class Failures:
    """The work of a process that is failing now: each by its name, with what to do."""

    def __init__(self) -> None:
        self._failing: dict[str, _Failure] = {}

    def failed(self, name: str, error: BaseException, advice: Bilingual = ADVICE) -> int:
        """Count a failure, and log it if it is the first of its kind. Returns how many there are in a row."""
        failure = self._failing.setdefault(name, _Failure(machine_now(), advice))
        failure.count += 1
        failure.kind = type(error).__name__
        telemetry.FAILURES.labels(name).set(failure.count)
        if failure.kind not in failure.logged:
            failure.logged.add(failure.kind)
            log.error("failed; trying again until it succeeds", work=name, advice=advice.en, exc_info=error)
        return failure.count

    def succeeded(self, name: str) -> None:
        """The work is done. Logs it if it had failed before."""
        if (failure := self._failing.pop(name, None)) is not None:
            telemetry.FAILURES.labels(name).set(0)
            log.info("well again", work=name, failures=failure.count, since=failure.since.isoformat())

    def forget(self, name: str) -> None:
        """The work is not done any more."""
        if self._failing.pop(name, None) is not None:
            telemetry.FAILURES.labels(name).set(0)

    def shown(self) -> list[Bilingual]:
        """The work that has failed several times in a row, for readiness."""
        return [
            Bilingual(
                f"{name}: failed {failure.count} times in a row since {failure.since:%Y-%m-%d %H:%M:%S} UTC, "
                f"last with {failure.kind}; {failure.advice.en}",
                f"{name}：自 {failure.since:%Y-%m-%d %H:%M:%S} UTC 起连续失败 {failure.count} 次，"
                f"最近为 {failure.kind}；{failure.advice.zh}",
            )
            for name, failure in self._failing.items()
            if failure.count >= SHOWN_AFTER
        ]
