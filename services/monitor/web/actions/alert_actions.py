"""Takes actions of people on alerts: an acknowledgement, an appeal against a card, the decision on an appeal."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import Field

from contracts.core import Rejected
from contracts.messages.alerts import AlertAcknowledged, AlertAppealed, AppealDecided
from contracts.rights.table import Act
from contracts.values import Model
from services.monitor.core.state import MonitoredCase
from services.monitor.store.alerts import NumberedAlert, by_number
from services.monitor.web.actions.rights import ActionRequest, actor, covers
from services.monitor.web.routers import ACTION_REFUSALS, monitor_router
from services.runtime.http.problems import Problem
from services.runtime.security.access import Permit
from services.runtime.service import ServiceHost

MAX_ALERTS = 1000
"""Alerts of one acknowledgement: it can name all alerts of a page of a digest."""

Number = Annotated[int, Path(ge=1, lt=2**63)]


class AcknowledgementRequest(ActionRequest):
    """A person takes charge of these alerts, so that they do not escalate."""

    alerts: Annotated[
        list[Annotated[int, Field(ge=1, lt=2**63, strict=True)]], Field(min_length=1, max_length=MAX_ALERTS)
    ]


class AppealRequest(ActionRequest):
    """A department holds a card to be unjust (申诉)."""


class DecisionRequest(ActionRequest):
    """A supervisor's decision on an appeal."""

    upheld: bool = Field(strict=True, description="True withdraws the card for good.")


class AcknowledgementResult(Model):
    """Whether one alert was acknowledged; if not, ``why``."""

    alert: int
    acknowledged: bool
    why: str | None = None
    why_zh: str | None = None


class RecordedAction(Model):
    """The alert whose action is on record."""

    alert: int


def routes(host: ServiceHost[MonitoredCase]) -> APIRouter:
    """The endpoints. A repeated request with the same content changes nothing."""
    router = monitor_router("monitor", *ACTION_REFUSALS)

    @router.post("/alerts/acknowledgements")
    async def acknowledge_alerts(
        request: AcknowledgementRequest, permit: Annotated[Permit, host.access.may(Act.ACKNOWLEDGE_ALERT)]
    ) -> list[AcknowledgementResult]:
        """Acknowledges each alert by itself: one that is refused does not keep others from it."""
        return await acknowledge(host, permit, request.alerts, request.reason)

    @router.post("/alerts/{number}/appeal", status_code=201)
    async def appeal_against_card(
        number: Number, request: AppealRequest, permit: Annotated[Permit, host.access.may(Act.APPEAL_ALERT)]
    ) -> RecordedAction:
        await appeal(host, permit, number, request.reason)
        return RecordedAction(alert=number)

    @router.post("/alerts/{number}/appeal/decision", status_code=201)
    async def decide_appeal(
        number: Number,
        request: DecisionRequest,
        permit: Annotated[Permit, host.access.may(Act.DECIDE_APPEAL, fresh=True)],
    ) -> RecordedAction:
        await decide(host, permit, number, request.reason, upheld=request.upheld)
        return RecordedAction(alert=number)

    return router


async def acknowledge(
    host: ServiceHost[MonitoredCase], permit: Permit, numbers: Sequence[int], reason: str
) -> list[AcknowledgementResult]:
    """Acknowledge these alerts, each by itself; a result for each, in their order."""
    now = host.clock.now()
    found = {alert.number: alert for alert in await _alerts(host, numbers)}
    results: dict[int, AcknowledgementResult] = {}
    commands: list[tuple[NumberedAlert, AlertAcknowledged]] = []
    for number in dict.fromkeys(numbers):
        alert = found.get(number)
        if alert is None or not covers(permit, alert):
            results[number] = _refused(number, "there is no such alert", "没有此项预警或发牌")
        else:
            commands.append((alert, AlertAcknowledged(**_action(permit, alert, reason), acknowledged_at=now)))
    answers = await host.commands([(alert.case_id, message) for alert, message in commands]) if commands else []
    for (alert, _), answer in zip(commands, answers, strict=True):
        match answer:
            case Rejected():
                results[alert.number] = _refused(alert.number, answer.en, answer.zh)
            case BaseException():
                raise answer
            case _:
                results[alert.number] = AcknowledgementResult(alert=alert.number, acknowledged=True)
    return [results[number] for number in dict.fromkeys(numbers)]


async def appeal(host: ServiceHost[MonitoredCase], permit: Permit, number: int, reason: str) -> None:
    """Appeal against a card. Raises `Problem` (404) for an alert outside of the scope, and `Rejected`."""
    alert = await _alert(host, permit, number)
    message = AlertAppealed(**_action(permit, alert, reason), appealed_at=host.clock.now())
    await host.command(alert.case_id, message)


async def decide(host: ServiceHost[MonitoredCase], permit: Permit, number: int, reason: str, *, upheld: bool) -> None:
    """Decide on an appeal. Raises `Problem` (404) for an alert outside of the scope, and `Rejected`."""
    alert = await _alert(host, permit, number)
    message = AppealDecided(**_action(permit, alert, reason), upheld=upheld, decided_at=host.clock.now())
    await host.command(alert.case_id, message)


def _action(permit: Permit, alert: NumberedAlert, reason: str) -> dict[str, Any]:
    """The fields that every action on an alert has."""
    place = {"commitment": alert.commitment, "rung": alert.rung, "occurrence": alert.occurrence}
    return {**place, **actor(permit, alert.owner, alert.region, alert.matter), "reason": reason}


async def _alerts(host: ServiceHost[MonitoredCase], numbers: Sequence[int]) -> list[NumberedAlert]:
    async with host.database.connect() as connection:
        return await by_number(connection, numbers)


async def _alert(host: ServiceHost[MonitoredCase], permit: Permit, number: int) -> NumberedAlert:
    found = await _alerts(host, [number])
    if not found or not covers(permit, found[0]):
        raise Problem(404, "no-such-alert", "There is no such alert", "没有此项预警或发牌")
    return found[0]


def _refused(number: int, why: str, why_zh: str) -> AcknowledgementResult:
    return AcknowledgementResult(alert=number, acknowledged=False, why=why, why_zh=why_zh)
