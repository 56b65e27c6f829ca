"""Requests to accept and to import cases, and the checks of their fields."""

from datetime import UTC, datetime
from typing import Annotated, Literal, Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from contracts.envelope import Code
from contracts.messages.cases import Channel
from contracts.messages.fields import Region
from contracts.messages.plans import MAX_MATERIALS
from services.intake.core.catalogue.models import WorkingDays
from services.intake.core.id_numbers import is_citizen_number, is_credit_code
from services.runtime.http.timestamps import reject_numbers
from services.runtime.http.typed_text import SingleLine, typed_id_number

_EARLIEST = datetime(1949, 10, 1, tzinfo=UTC)
_LATEST = datetime(2199, 12, 31, tzinfo=UTC)

CaseInstant = Annotated[AwareDatetime, BeforeValidator(reject_numbers), Field(ge=_EARLIEST, le=_LATEST)]
"""A moment with its time zone, in the years in which cases are accepted and fall due."""


class RequestPart(BaseModel):
    """A part of a request. It refuses unknown fields, so that no misspelled field is ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True, use_attribute_docstrings=True)


class ApplicantRequest(RequestPart):
    """The applicant."""

    kind: Literal["person", "organisation"]
    name: SingleLine
    id_number: Annotated[str, BeforeValidator(typed_id_number), Field(repr=False, max_length=18)]
    """Citizen number (GB 11643) of a person, unified social credit code (GB 32100) of an organisation."""

    @field_validator("id_number")
    @classmethod
    def _checked(cls, number: str, info: ValidationInfo) -> str:
        kind = info.data.get("kind")
        if kind == "person" and not is_citizen_number(number):
            raise PydanticCustomError("citizen_number", "is no citizen number (GB 11643)", {"zh": "公民身份号码不正确"})
        if kind == "organisation" and not is_credit_code(number):
            reason = "is no unified social credit code (GB 32100)"
            raise PydanticCustomError("credit_code", reason, {"zh": "统一社会信用代码不正确"})
        return number


class CaseRequest(RequestPart):
    """An application for one bundle or one item of the catalogue."""

    bundle: Code | None = None
    item: Code | None = None
    applicant: ApplicantRequest
    materials: Annotated[tuple[SingleLine, ...], Field(max_length=MAX_MATERIALS)] = ()
    """Materials handed in, each by its code or its name in the catalogue."""
    region: Region
    channel: Channel

    @model_validator(mode="after")
    def _one_matter(self) -> Self:
        if (self.bundle is None) == (self.item is None):
            reason = "name either a bundle or an item"
            raise PydanticCustomError("one_matter", reason, {"zh": "请在“一件事”和单个事项中任选其一"})
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
    region: Region
    channel: Channel
    accepted_at: CaseInstant
    due_at: CaseInstant | None = None
    working_days: WorkingDays | None = None
    """The limit of the case, unless ``due_at`` gives its end. Without both, the case is never late."""

    @model_validator(mode="after")
    def _one_limit(self) -> Self:
        if self.due_at is not None and self.working_days is not None:
            reason = "give due_at or working_days, not both"
            raise PydanticCustomError("one_limit", reason, {"zh": "到期时间与工作日数只能填写一项"})
        return self
