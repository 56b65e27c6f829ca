"""The dead letters of a service: operators list, read, replay, drop and correct them."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Self

from fastapi import APIRouter, Path, Query
from pydantic import ConfigDict, Field, model_validator
from pydantic_core import to_json
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.faults import fault
from contracts.messages.fields import Reason
from contracts.rights.table import Act
from contracts.values import Model
from services.runtime.dead_letters import settling
from services.runtime.dead_letters.content import lines_of
from services.runtime.dead_letters.corrections import Correction, NotCorrectable
from services.runtime.dead_letters.settling import Settled, Settler, Wanted
from services.runtime.http.bodies.json_route import json_router
from services.runtime.http.bodies.typed_text import TypedCaseNumber
from services.runtime.http.operating.openapi import OVERLOAD, refusals
from services.runtime.http.problems import Problem, not_found
from services.runtime.security.access import Permit
from services.runtime.security.access_record import count_rows, note_query
from services.runtime.service import Service, ServiceHost
from services.runtime.store import dead_letters
from services.runtime.store.dead_letters import ParkedLetter

MAX_NUMBERS = 100
"""Letters that are named at once: a person has read each of them."""

PAGE = 100

Number = Annotated[int, Path(ge=1, lt=2**63)]


class Status(StrEnum):
    """The letters to list, by status."""

    PARKED = "parked"
    REPLAYED = "replayed"
    CORRECTED = "corrected"
    DROPPED = "dropped"
    ALL = "all"


class LettersQuery(Model):
    """A page of letters, oldest first."""

    model_config = ConfigDict(extra="forbid")

    status: Status = Status.PARKED
    case: TypedCaseNumber | None = None
    after: int | None = Field(None, ge=1, lt=2**63, description="Continue after the page that gave this as `next`.")
    limit: int = Field(PAGE, ge=1, le=1000)


class LetterView(Model):
    """A record that could not be processed, without its content."""

    model_config = ConfigDict(from_attributes=True)

    number: int
    status: str
    parked_at: datetime = Field(description="Machine time.")
    case_id: str = Field(description="Empty where it is not known.")
    blocking: bool = Field(description="Later messages of the case wait for it.")
    topic: str
    origin: str
    reason: str
    settled_at: datetime | None
    settled_by: str | None
    settled_on_behalf_of: str | None
    settled_reason: str | None


class LettersPage(Model):
    """Letters, oldest first. ``next`` is the ``after`` of the next page, null on the last."""

    letters: list[LetterView]
    next: int | None


class ReadLetter(LetterView):
    """A letter with its content, line by line."""

    key: list[str]
    value: list[str]
    masked: bool = Field(description="What may be personal data is left out.")


class SettleRequest(Model):
    """The letters to settle: by their numbers, or all parked ones of a case."""

    model_config = ConfigDict(extra="forbid")

    numbers: (
        Annotated[list[Annotated[int, Field(ge=1, lt=2**63, strict=True)]], Field(min_length=1, max_length=MAX_NUMBERS)]
        | None
    ) = None
    case: TypedCaseNumber | None = None
    reason: Reason

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        if (self.numbers is None) is (self.case is None):
            raise fault("name either numbers or a case", "请填写 numbers 或 case，二者选一")
        return self

    @property
    def wanted(self) -> Wanted:
        """As the runtime knows it."""
        return Wanted(self.numbers or (), self.case)


class CorrectRequest(Model):
    """A corrected record in place of a letter."""

    model_config = ConfigDict(extra="forbid")

    fields: dict[str, Any] = Field({}, description="Corrected fields by their paths, such as answer.reference.")
    content: dict[str, Any] | None = Field(None, description="The whole content, in place of the letter's own.")
    reason: Reason


class Refusal(Model):
    """Why a letter stays as it is."""

    number: int
    detail: str
    detail_zh: str


class SettledView(Model):
    """The result for each letter."""

    settled: list[int]
    refused: list[Refusal]
    more: bool = Field(description="The case may have more letters: ask again.")


class CorrectedView(Model):
    """The record that is published in place of the letter."""

    case_id: str
    topic: str


class SettledLetters(Model):
    """The letters that were settled, for the record of access."""

    letters: str


Settle = Callable[[AsyncEngine, Wanted, Settler, str], Awaitable[Settled]]


def routes(host: ServiceHost[Any], service: Service[Any]) -> APIRouter:
    """The endpoints."""
    router = json_router(tags=["dead letters"], responses=refusals(401, 403, 422, 503))
    settles = host.access.may(Act.SETTLE_DEAD_LETTER, fresh=True)

    @router.get("/dead-letters")
    async def letters(
        wanted: Annotated[LettersQuery, Query()], _: Annotated[Permit, host.access.may(Act.READ_STATE)]
    ) -> LettersPage:
        """The letters, without their content."""
        found = await list_letters(host.database, wanted)
        views = [LetterView.model_validate(one) for one in found[: wanted.limit]]
        count_rows(len(views))
        return LettersPage(letters=views, next=views[-1].number if len(found) > wanted.limit else None)

    @router.get("/dead-letters/{number}", responses=refusals(404))
    async def letter(
        number: Number, _: Annotated[Permit, host.access.may(Act.READ_DEAD_LETTER)], raw: bool = False
    ) -> ReadLetter:
        """One letter. With ``raw``, what may be personal data is shown; each reading is on record."""
        found = await read_letter(host.database, number)
        key, value = lines_of(found, raw=raw)
        view = LetterView.model_validate(found)
        return ReadLetter(**view.model_dump(), key=key, value=value, masked=not raw)

    @router.post("/dead-letter-replays", responses=refusals(400, *OVERLOAD))
    async def replay(request: SettleRequest, permit: Annotated[Permit, settles]) -> SettledView:
        """Publish letters on their topics again, in order."""
        return await _settle(settling.replay, request, permit)

    @router.post("/dead-letter-drops", responses=refusals(400, *OVERLOAD))
    async def drop(request: SettleRequest, permit: Annotated[Permit, settles]) -> SettledView:
        """Drop letters. They remain on record until their retention ends, and cannot be replayed."""
        return await _settle(settling.drop, request, permit)

    @router.post("/dead-letters/{number}/correction", responses=refusals(400, 404, 409, *OVERLOAD))
    async def correct(number: Number, request: CorrectRequest, permit: Annotated[Permit, settles]) -> CorrectedView:
        """Publish a corrected record in place of a letter, so that its case goes on."""
        await read_letter(host.database, number)
        edits = [(tuple(path.split(".")), value) for path, value in request.fields.items()]
        content = to_json(request.content) if request.content is not None else None
        try:
            made = await settling.correct(
                host.database, number, Correction(edits, content, request.reason, permit.actor), service.correct_reply
            )
        except NotCorrectable as refused:
            raise not_correctable(number, refused) from None
        return CorrectedView(case_id=made.case_id, topic=made.topic)

    async def _settle(work: Settle, request: SettleRequest, permit: Permit) -> SettledView:
        settled = await work(host.database, request.wanted, Settler(permit.actor), request.reason)
        note_query(SettledLetters(letters=", ".join(map(str, settled.numbers))))
        refused = [Refusal(number=number, detail=why.en, detail_zh=why.zh) for number, why in settled.refused]
        return SettledView(settled=list(settled.numbers), refused=refused, more=settled.more)

    return router


async def list_letters(database: AsyncEngine, wanted: LettersQuery) -> list[ParkedLetter]:
    """The letters of a page, and the one after them if there is one."""
    status = None if wanted.status is Status.ALL else wanted.status.value
    return await dead_letters.letters(
        database, status=status, case_id=wanted.case, after=wanted.after, limit=wanted.limit + 1
    )


async def read_letter(database: AsyncEngine, number: int) -> ParkedLetter:
    """One letter. Raises the problem of one that does not exist."""
    found = await dead_letters.letters(database, status=None, number=number)
    if not found:
        raise not_found(
            f"There is no letter {number} here; each service numbers its own.", f"没有死信 {number}；各服务自行编号。"
        )
    return found[0]


def not_correctable(number: int, refused: NotCorrectable) -> Problem:
    """The problem of a letter that cannot be corrected like this."""
    title, title_zh = "This letter cannot be corrected like this", "不能这样更正该死信"
    detail, detail_zh = f"letter {number} {refused.en}", f"死信 {number}：{refused.zh}"
    return Problem(409, "not-correctable", title, title_zh, detail=detail, detail_zh=detail_zh)
