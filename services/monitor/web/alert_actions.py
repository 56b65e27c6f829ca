"""What people say of alerts, and holds: who in the directory may, takes them in hand, appeals, decides, stops time."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import text

from contracts.core import Rejected, UnknownCase
from contracts.envelope import CaseId, Code
from contracts.messages.alerts import AlertAcknowledged, AlertAppealed, AppealDecided, Rung
from contracts.messages.cases import CaseHeld
from contracts.messages.commitments import CommitmentKey
from contracts.messages.fields import Article, PersonId, Reason
from services.monitor.core.state import CASE, HOLD, MonitoredCase, SuspensionRecord
from services.monitor.notifications.directory import SUPERVISOR, Directory
from services.monitor.store import directory_store
from services.runtime.http.openapi import OVERLOAD, refusals
from services.runtime.http.problems import Problem
from services.runtime.http.timestamps import Timestamp, not_in_future
from services.runtime.security.staff import staff_only
from services.runtime.service import ServiceHost

MOST_AT_ONCE = 1000
"""Alerts of one acknowledgement: a digest names them all."""

Number = Annotated[int, Path(ge=1, lt=2**63)]

_FIND = text("""
    SELECT number, case_id, commitment, rung, occurrence, owner, region, matter FROM alerts WHERE number = ANY(:numbers)
""")


class _Remark(BaseModel):
    """``by``: who says it, by their name in the directory."""

    model_config = ConfigDict(extra="forbid")

    by: PersonId
    reason: Reason


class AcknowledgementRequest(_Remark):
    """These alerts have been taken in hand, and climb no further."""

    alerts: Annotated[list[Annotated[int, Field(ge=1, lt=2**63)]], Field(min_length=1, max_length=MOST_AT_ONCE)]


class AppealRequest(_Remark):
    """A card is unjust, as its department has it (申诉)."""


class DecisionRequest(_Remark):
    """A supervisor's decision on an appeal."""

    upheld: bool = Field(description="True withdraws the card for good.")


class HoldRequest(_Remark):
    """The time of a case stops, from now on or from an earlier moment."""

    article: Article = Field("", description="The article that allows it.")
    since: Timestamp | None = Field(None, description="From when on; now if it is not said.")


class HoldEndRequest(_Remark):
    """The time of a case runs again, from now on or from an earlier moment."""

    until: Timestamp | None = Field(None, description="From when on; now if it is not said.")


class Acknowledged(BaseModel):
    """What became of one alert; ``why`` not, where it was not acknowledged."""

    alert: int
    acknowledged: bool
    why: str | None = None
    why_zh: str | None = None


class Kept(BaseModel):
    """It is on record."""

    alert: int


class Hold(BaseModel):
    """A hold, by its name."""

    hold: Code


class _Alert(NamedTuple):
    number: int
    case_id: str
    commitment: CommitmentKey
    rung: Rung
    occurrence: int
    owner: str
    region: str
    matter: str


def routes(host: ServiceHost[MonitoredCase]) -> APIRouter:
    """The endpoints, closed to all but staff. Asked again with the same content, each changes nothing."""
    refused = refusals(400, 401, 403, 404, 409, 422, *OVERLOAD)
    router = APIRouter(dependencies=[staff_only(host.settings.api_token)], tags=["monitor"], responses=refused)

    @router.post("/alerts/acknowledgements")
    async def acknowledge(wanted: AcknowledgementRequest) -> list[Acknowledged]:
        """Each by itself: what cannot be acknowledged keeps none of the others."""
        now, directory = host.clock.now(), await _directory(host)
        found = {alert.number: alert for alert in await _alerts(host, wanted.alerts)}
        results: dict[int, Acknowledged] = {}
        asked: list[tuple[_Alert, AlertAcknowledged]] = []
        for number in dict.fromkeys(wanted.alerts):
            alert = found.get(number)
            if alert is None:
                results[number] = _not_done(number, "there is no such alert", "没有此项预警或发牌")
            elif not _is_told(directory, wanted.by, alert, now):
                results[number] = _not_done(number, "it is not theirs", "不在其职责范围内")
            else:
                message = AlertAcknowledged(**_remark(alert, wanted), acknowledged_at=now)
                asked.append((alert, message))
        answers = await host.commands([(alert.case_id, message) for alert, message in asked]) if asked else []
        for (alert, _), answer in zip(asked, answers, strict=True):
            match answer:
                case Rejected():
                    results[alert.number] = _not_done(alert.number, answer.why, answer.why_zh)
                case BaseException():
                    raise answer
                case _:
                    results[alert.number] = Acknowledged(alert=alert.number, acknowledged=True)
        return [results[number] for number in dict.fromkeys(wanted.alerts)]

    @router.post("/alerts/{number}/appeal", status_code=201)
    async def appeal(number: Number, wanted: AppealRequest) -> Kept:
        now, directory, alert = host.clock.now(), await _directory(host), await _alert(host, number)
        if not _is_told(directory, wanted.by, alert, now):
            raise _not_theirs()
        message = AlertAppealed(**_remark(alert, wanted), appealed_at=now)
        await host.command(alert.case_id, message)
        return Kept(alert=number)

    @router.post("/alerts/{number}/appeal/decision", status_code=201)
    async def decide(number: Number, wanted: DecisionRequest) -> Kept:
        now, directory, alert = host.clock.now(), await _directory(host), await _alert(host, number)
        _must_supervise(directory, wanted.by, alert.owner, alert.region, alert.matter, now)
        message = AppealDecided(**_remark(alert, wanted), upheld=wanted.upheld, decided_at=now)
        await host.command(alert.case_id, message)
        return Kept(alert=number)

    @router.post("/commitments/{case_id}/holds", status_code=201)
    async def hold(case_id: Annotated[CaseId, Path()], wanted: HoldRequest) -> Hold:
        now = host.clock.now()
        state = await _running(host, case_id, wanted.by, now)
        since = not_in_future("since", wanted.since, now)
        name = sha256(f"{case_id}/hold/{since.isoformat()}".encode()).hexdigest()[:16]
        holds = _holds(state)
        if name not in holds:
            if any(known.until is None for known in holds.values()):
                raise Rejected("the case is held already", "该办件已暂停计时")
            case = state.commitment(CASE)
            if case is not None and case.opened_at is not None and since < case.opened_at:
                raise Rejected("that lies before the case was accepted", "该时间早于受理时间")
            await host.command(case_id, _held(name, wanted, since, None, now))
        return Hold(hold=name)

    @router.post("/commitments/{case_id}/holds/{hold}/end", status_code=201)
    async def release(
        case_id: Annotated[CaseId, Path()], hold: Annotated[Code, Path()], wanted: HoldEndRequest
    ) -> Hold:
        now = host.clock.now()
        state = await _running(host, case_id, wanted.by, now)
        known = _holds(state).get(hold)
        if known is None:
            raise Rejected("there is no such hold", "没有此项暂停")
        until = not_in_future("until", wanted.until, now)
        if known.until is not None and known.until != until:
            raise Rejected("this hold has ended", "此项暂停已结束")
        if until < known.since:
            raise Rejected("a hold cannot end before it begins", "暂停的结束不能早于开始")
        if known.until is None:
            # Later than the word before, whatever clock that was said by.
            recorded_at = max(now, known.recorded_at + timedelta(microseconds=1))
            await host.command(case_id, _held(hold, wanted, known.since, until, recorded_at, known.article))
        return Hold(hold=hold)

    return router


def _remark(alert: _Alert, wanted: _Remark) -> dict[str, Any]:
    """What every remark on an alert says."""
    place = {"commitment": alert.commitment, "rung": alert.rung, "occurrence": alert.occurrence}
    return {**place, "by": wanted.by, "reason": wanted.reason}


def _held(
    name: str,
    wanted: HoldRequest | HoldEndRequest,
    since: datetime,
    until: datetime | None,
    recorded_at: datetime,
    article: str = "",
) -> CaseHeld:
    return CaseHeld(
        hold=name,
        by=wanted.by,
        reason=wanted.reason,
        article=wanted.article if isinstance(wanted, HoldRequest) else article,
        since=since,
        until=until,
        recorded_at=recorded_at,
    )


def _holds(state: MonitoredCase) -> dict[str, SuspensionRecord]:
    return {one.suspension.removeprefix(HOLD): one for one in state.suspensions if one.suspension.startswith(HOLD)}


async def _running(host: ServiceHost[MonitoredCase], case_id: str, by: PersonId, now: datetime) -> MonitoredCase:
    """An open case that this supervisor may hold. Raises `IssueKind`, `Rejected` or `UnknownCase`."""
    directory, state = await _directory(host), await host.read(case_id)
    case = state.commitment(CASE) if state is not None else None
    if state is None or state.region is None or state.matter is None or case is None or case.owner is None:
        raise UnknownCase(case_id)
    _must_supervise(directory, by, case.owner, state.region, state.matter, now)
    if state.decided_at is not None:
        raise Rejected("the case is decided", "该办件已办结")
    return state


async def _directory(host: ServiceHost[MonitoredCase]) -> Directory:
    async with host.database.connect() as connection:
        found = await directory_store.latest(connection)
    if found is None:
        title, title_zh = "No directory is in force", "尚无生效的人员名录"
        detail, detail_zh = "put one in force with 'onedoor directory apply'", "请先用 onedoor directory apply 启用"
        raise Problem(409, "no-directory", title, title_zh, detail=detail, detail_zh=detail_zh)
    return found[1]


async def _alerts(host: ServiceHost[MonitoredCase], numbers: Sequence[int]) -> list[_Alert]:
    async with host.database.connect() as connection:
        rows: Any = await connection.execute(_FIND, {"numbers": list(numbers)})
        return [_Alert(*row)._replace(rung=Rung(row.rung)) for row in rows]


async def _alert(host: ServiceHost[MonitoredCase], number: int) -> _Alert:
    found = await _alerts(host, [number])
    if not found:
        raise Problem(404, "no-such-alert", "There is no such alert", "没有此项预警或发牌")
    return found[0]


def _is_told(directory: Directory, person: PersonId, alert: _Alert, now: datetime) -> bool:
    """Whether somebody has a post to which such alerts come, or one above it."""
    lowest = directory.said.climbs[0]
    return directory.holds_at_least(person, lowest, alert.owner, alert.region, alert.matter, now)


def _must_supervise(directory: Directory, by: PersonId, owner: str, region: str, matter: str, now: datetime) -> None:
    if not directory.holds_at_least(by, SUPERVISOR, owner, region, matter, now):
        raise _not_theirs()


def _not_theirs() -> Problem:
    title, title_zh = "This is not theirs to say, by the directory in force", "按现行人员名录，其无权办理此事"
    return Problem(403, "not-theirs", title, title_zh)


def _not_done(number: int, why: str, why_zh: str) -> Acknowledged:
    return Acknowledged(alert=number, acknowledged=False, why=why, why_zh=why_zh)
