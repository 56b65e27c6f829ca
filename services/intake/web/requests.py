"""Requests to accept and to import cases, and the checks of their fields."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
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
from contracts.messages.fields import KnownRegion
from contracts.messages.plans import MAX_MATERIALS
from contracts.values import Model
from services.intake.core.catalogue.models import WorkingDays
from services.intake.core.id_kinds import ID_KINDS, OTHER_PAPERS, ApplicantKind, IdKind
from services.intake.core.id_numbers import date_of_birth
from services.runtime.http.bodies.timestamps import reject_numbers
from services.runtime.http.bodies.typed_text import SingleLine, TypedReference, readable, typed_id_number

_EARLIEST = datetime(1949, 10, 1, tzinfo=UTC)
_LATEST = datetime(2199, 12, 31, tzinfo=UTC)

TODAY = "today"
"""The day of the request in China, in the context of a validation: nobody is born later."""

_LONGEST_LIFE = timedelta(days=150 * 365)

CaseInstant = Annotated[AwareDatetime, BeforeValidator(reject_numbers), Field(ge=_EARLIEST, le=_LATEST)]
"""A moment with its time zone, in the years in which cases are accepted and fall due."""


class RequestPart(Model):
    """A part of a request. It refuses unknown fields, so that no misspelled field is ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True, use_attribute_docstrings=True)


IdNumber = Annotated[str, Field(min_length=1, max_length=40, pattern=r"^[^\x00-\x1f\x7f]+$"), AfterValidator(readable)]
"""The number of an identity paper."""


class ApplicantRequest(RequestPart):
    """The applicant."""

    kind: ApplicantKind
    name: SingleLine
    id_kind: Annotated[str, Field(json_schema_extra={"enum": [*ID_KINDS]})] | None = None
    """The kind of identity paper: of a person 111 citizen card, or residence permit of a resident of Hong Kong, Macao
    or Taiwan, 114 to 122 papers of the armed forces, 411 to 414 passports, 511 and 516 mainland travel permits of
    residents of Taiwan and of Hong Kong and Macao, 553 permanent residence permit of foreigners, 999 another paper or
    none; of an organisation 001 unified social credit code, 099 another paper or none. If omitted, 111 and 001."""
    id_number: IdNumber | None = Field(None, validate_default=True, repr=False)
    """The number of that paper, which only kinds 999 and 099 may lack."""

    @model_validator(mode="before")
    @classmethod
    def _as_meant(cls, values: Any) -> Any:
        """Numbers of papers with a check have capitals and digits only; others stay as they are typed."""
        if isinstance(values, dict) and "id_number" in values and values.get("id_kind") not in OTHER_PAPERS:
            return {**values, "id_number": typed_id_number(values["id_number"])}
        return values

    @field_validator("id_kind")
    @classmethod
    def _known_kind(cls, code: str | None, info: ValidationInfo) -> str | None:
        kind = info.data.get("kind")
        if code is not None and kind is not None and (code not in ID_KINDS or kind not in ID_KINDS[code].applicants):
            known = [one for one in ID_KINDS.values() if kind in one.applicants]
            raise fault(
                f"for this kind of applicant must be {', '.join(f'{one.code} ({one.en})' for one in known)}",
                f"此类申请人须为 {'、'.join(f'{one.code}（{one.zh}）' for one in known)}",
            )
        return code

    @field_validator("id_number")
    @classmethod
    def _checked(cls, number: str | None, info: ValidationInfo) -> str | None:
        given = info.data
        if "kind" not in given or "id_kind" not in given:
            return number  # the kind itself is wrong
        paper = ID_KINDS[given["id_kind"] or (CITIZEN_CARD if given["kind"] == "person" else CREDIT_CODE)]
        if paper.check is not None and (wrong := _wrong_number(paper, number, info.context)) is not None:
            raise fault(*wrong)
        return number


def _wrong_number(paper: IdKind, number: str | None, context: Any) -> tuple[str, str] | None:
    """The fault of the number of a paper that has a check, in both languages."""
    if number is None:
        return f"is missing; a {paper.en} has a number", f"缺少此项；{paper.zh}须填写号码"
    if paper.check is None or not paper.check(number):
        return f"is no number of a {paper.en}; check it", f"不是有效的{paper.zh}号码，请核对"
    if context is not None and paper.dated and (born := date_of_birth(number)) is not None:
        today = context[TODAY]
        if not today - _LONGEST_LIFE <= born <= today:
            return "has a date of birth that cannot be; check it", "出生日期不可能，请核对"
    return None


def applicant(request: ApplicantRequest) -> Applicant:
    """The applicant as messages have it."""
    return Applicant(**vars(request))


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

    reference: TypedReference
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
