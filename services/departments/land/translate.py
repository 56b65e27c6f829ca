"""Translates between the contracts and the lines of the land department's files. Pure.

A file is JSON lines, UTF-8. Names are the initials of the Chinese terms in pinyin, as land registers have them
(TD/T 1066): ywh 业务号, sxbm 事项编码, qlrmc 权利人名称, zjzl 证件种类, zjh 证件号, slbh 受理编号, slsj 受理时间,
bjjg 办结结果, bjsj 办结时间, zsbh 证书编号, bjyj 办结意见. Times are fourteen digits, China Standard Time; a
day without a time is the first eight of them.
"""

from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from contracts.faults import fault
from contracts.messages.plans import Outcome
from contracts.messages.tasks import TaskRequested
from contracts.values import Model
from contracts.zone import CHINA
from services.departments.sdk.core.messages import Decision, Receipt, in_utc
from services.departments.sdk.core.texts import NONE_IF_NOTHING, NUMBER_FORM, DocumentNumber, Number, Paragraphs

_TIME = "%Y%m%d%H%M%S"

GRANTED: Final = "准予"
DENIED: Final = "不予"

_PAPERS = (
    {"111": "1", "001": "7"}
    | dict.fromkeys(("511", "516"), "2")
    | dict.fromkeys(("411", "412", "413", "414"), "3")
    | dict.fromkeys(("114", "115", "118", "119"), "5")
)
"""Kinds of identity paper: from intake's codes to those of land registers (不动产登记数据库标准, TD/T 1066,
证件种类字典表): 1 身份证, 2 港澳台身份证, 3 护照, 4 户口簿, 5 军官证（士兵证）, 6 组织机构代码, 7 营业执照, 99 其它.
Registers have added codes from 8 on, each its own; these are not used."""
_OTHER_PAPER = "99"

Digits = Annotated[str, Field(pattern=r"^[0-9]{8}([0-9]{6})?$"), NUMBER_FORM]
"""A time in fourteen digits, or a day in eight."""


class _Line(Model):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Application(_Line):
    """A line of a file in the inbox: one task. ``ywh`` is the task id."""

    ywh: Number
    sxbm: Number
    sxmc: str
    xzqh: str
    qlrlx: Literal["1", "2"] | None = None
    qlrmc: str | None = None
    zjzl: str | None = None
    zjh: str | None = Field(None, repr=False)
    clmc: tuple[str, ...] = ()
    qzwj: tuple[tuple[str, str], ...] = ()
    cnqx: int | None = None
    cnsj: Digits | None = None
    sqsj: Digits


class Standing(_Line):
    """A line of a file in the outbox: the state of one application."""

    ywh: Number
    slbh: Number
    slsj: Digits
    bjjg: Annotated[Literal["准予", "不予"] | None, NONE_IF_NOTHING] = None
    bjsj: Annotated[Digits | None, NONE_IF_NOTHING] = None
    zsbh: DocumentNumber = None
    bjyj: Paragraphs = ""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.bjjg is None) != (self.bjsj is None):
            raise fault("a result has a time, and a time a result", "结果和时间须同时填写")
        return self


def digits(at: datetime) -> str:
    """A moment as the files have it: fourteen digits of China Standard Time."""
    return at.astimezone(CHINA).strftime(_TIME)


def moment(written: str) -> datetime:
    """A time of the files, in UTC. Raises `ValueError` for a date or time that does not exist."""
    time = written[8:] or "000000"  # a day stands for its beginning
    at = datetime.fromisoformat(f"{written[:8]}T{time}").replace(tzinfo=CHINA)  # ten times as fast as strptime
    return in_utc(at)


def application(task: TaskRequested) -> Application:
    """A task as the land department's files have it."""
    who = task.applicant
    committed = task.limits.committed if task.limits else None
    return Application(
        ywh=task.task_id,
        sxbm=task.item,
        sxmc=task.item_name,
        xzqh=task.region,
        qlrlx=who and ("1" if who.kind == "person" else "2"),
        qlrmc=who and who.name,
        zjzl=who and _PAPERS.get(who.paper, _OTHER_PAPER),
        zjh=who and who.id_number,
        clmc=task.materials,
        qzwj=tuple((document.step, document.number) for document in task.documents),
        cnqx=committed.working_days if committed else None,
        cnsj=digits(committed.due_at) if committed and committed.due_at else None,
        sqsj=digits(task.requested_at),
    )


def answer(standing: Standing) -> Receipt | Decision:
    """The department's state of an application in the terms of the platform. Raises `ValueError`."""
    delivered_at = moment(standing.slsj)
    if standing.bjsj is None:
        return Receipt(reference=standing.slbh, delivered_at=delivered_at)
    return Decision(
        reference=standing.slbh,
        delivered_at=delivered_at,
        outcome=Outcome.APPROVED if standing.bjjg == GRANTED else Outcome.REFUSED,
        document=standing.zsbh,
        opinion=standing.bjyj,
        decided_at=moment(standing.bjsj),
    )


def file_of(lines: Iterable[BaseModel]) -> bytes:
    """The lines as one file."""
    return b"".join(line.model_dump_json(exclude_none=True).encode() + b"\n" for line in lines)


def lines_of(file: bytes) -> Sequence[bytes]:
    """The lines of a file without empty ones. Each line is read in its own encoding, except that of UTF-16."""
    if file.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        file = file.decode("utf-16", "replace").encode()
    return [line for line in file.split(b"\n") if line.strip()]
