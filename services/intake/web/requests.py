"""Requests to accept and to import cases, and the checks of their fields."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from contracts.envelope import Code
from contracts.faults import Fault, fault, located
from contracts.messages.cases import CITIZEN_CARD, CREDIT_CODE, Applicant, Channel
from contracts.messages.fields import Region, is_region
from contracts.messages.plans import MAX_MATERIALS
from services.intake.core.catalogue.models import WorkingDays
from services.intake.core.id_kinds import ID_KINDS, ApplicantKind, IdKind
from services.intake.core.id_numbers import date_of_birth, is_citizen_number
from services.runtime.http.timestamps import reject_numbers
from services.runtime.http.typed_text import SingleLine, readable, typed_id_number

_EARLIEST = datetime(1949, 10, 1, tzinfo=UTC)
_LATEST = datetime(2199, 12, 31, tzinfo=UTC)

TODAY = "today"
"""The day of the request in China, in the context of a validation: nobody is born later."""

_LONGEST_LIFE = timedelta(days=150 * 365)

CaseInstant = Annotated[AwareDatetime, BeforeValidator(reject_numbers), Field(ge=_EARLIEST, le=_LATEST)]
"""A moment with its time zone, in the years in which cases are accepted and fall due."""


class RequestPart(BaseModel):
    """A part of a request. It refuses unknown fields, so that no misspelled field is ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True, use_attribute_docstrings=True)


def _known_region(region: str) -> str:
    if not is_region(region):
        raise fault(
            "no code of administrative division begins like this; check it", "没有这样开头的行政区划代码，请核对"
        )
    return region


KnownRegion = Annotated[Region, AfterValidator(_known_region)]
"""A county's code of administrative division, in a province that exists."""


IdNumber = Annotated[str, Field(min_length=1, max_length=40, pattern=r"^[^\x00-\x1f\x7f]+$"), AfterValidator(readable)]
"""The number of an identity paper."""


class ApplicantRequest(RequestPart):
    """The applicant."""

    kind: ApplicantKind
    name: SingleLine
    id_kind: Annotated[str, Field(json_schema_extra={"enum": [*ID_KINDS]})] | None = None
    """The kind of identity paper: 111 citizen card, 414 passport, 511 and 516 mainland travel permits of residents of
    Taiwan and of Hong Kong and Macao, 553 permanent residence permit of foreigners, 001 unified social credit code, 099
    another paper or none. If omitted, 111 for a person and 001 for an organisation."""
    id_number: IdNumber | None = Field(None, validate_default=True, repr=False)
    """The number of that paper, which only kind 099 may lack."""

    @field_validator("id_kind")
    @classmethod
    def _known_kind(cls, code: str | None, info: ValidationInfo) -> str | None:
        kind = info.data.get("kind")
        if code is None or kind is None:
            return code
        if code not in ID_KINDS or kind not in ID_KINDS[code].applicants:
            known = [one for one in ID_KINDS.values() if kind in one.applicants]
            raise fault(
                f"for this kind of applicant must be {', '.join(f'{one.code} ({one.en})' for one in known)}",
                f"此类申请人须为 {'、'.join(f'{one.code}（{one.zh}）' for one in known)}",
            )
        return code

    @field_validator("id_number", mode="before")
    @classmethod
    def _as_meant(cls, number: object, info: ValidationInfo) -> object:
        """Numbers of papers with a check have capitals and digits only; others stay as they are typed."""
        checked = (paper := _paper(info)) is not None and paper.check is not None
        return typed_id_number(number) if checked else number

    @field_validator("id_number")
    @classmethod
    def _checked(cls, number: str | None, info: ValidationInfo) -> str | None:
        paper = _paper(info)
        if paper is None or paper.check is None:
            return number
        if number is None:
            raise fault(f"is missing; a {paper.en} has a number", f"缺少此项；{paper.zh}须填写号码")
        if not paper.check(number):
            raise fault(f"is no number of a {paper.en}; check it", f"不是有效的{paper.zh}号码，请核对")
        if paper.check is is_citizen_number:
            born, today = date_of_birth(number), (info.context or {}).get(TODAY)
            if born is not None and today is not None and not today - _LONGEST_LIFE <= born <= today:
                raise fault("has a date of birth that cannot be; check it", "出生日期不可能，请核对")
        return number


def applicant(request: ApplicantRequest) -> Applicant:
    """The applicant as messages have it."""
    return Applicant(**vars(request))


def _paper(info: ValidationInfo) -> IdKind | None:
    """The kind of paper in a request; None if that itself is wrong."""
    if "kind" not in info.data or "id_kind" not in info.data:
        return None
    return ID_KINDS[info.data["id_kind"] or (CITIZEN_CARD if info.data["kind"] == "person" else CREDIT_CODE)]


class CaseRequest(RequestPart):
    """An application for one bundle or one item of the catalogue."""

    bundle: Code | None = None
    item: Code | None = None
    applicant: ApplicantRequest
    materials: Annotated[tuple[SingleLine, ...], Field(max_length=MAX_MATERIALS)] = ()
    """Materials handed in, each by its code or its name in the catalogue."""
    region: KnownRegion
    channel: Channel

    @model_validator(mode="after")
    def _one_matter(self) -> Self:
        if (self.bundle is None) == (self.item is None):
            raise fault("name either a bundle or an item", "请在“一件事”和单个事项中任选其一")
        return self


class ImportRow(RequestPart):
    """A case that another system has accepted. Its deadline is held and its decision awaited from now on.

    ``accepted_at`` may lie in the future: a replay of history imports its cases ahead of their time.
    """

    reference: SingleLine
    """The number of the case in the other system. The same reference is always the same case here."""
    matter_name: SingleLine
    department: SingleLine
    system: Code
    """The department system that will report the decision."""
    region: KnownRegion
    channel: Channel
    applicant: ApplicantRequest | None = None
    """None where the other system does not disclose the applicant."""
    accepted_at: CaseInstant
    due_at: CaseInstant | None = None
    working_days: WorkingDays | None = None
    """The limit of the case, unless ``due_at`` gives its end. Without both, the case is never late."""

    @model_validator(mode="after")
    def _one_limit(self) -> Self:
        if self.due_at is not None and self.working_days is not None:
            raise fault("give due_at or working_days, not both", "到期时间 due_at 与工作日数 working_days 只能填写一项")
        return self

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.due_at is not None and self.due_at < self.accepted_at:
            early = Fault(
                ("due_at",), "lies before accepted_at; correct one of them", "早于受理时间 accepted_at，请更正其一"
            )
            raise located("row", [early])
        return self
