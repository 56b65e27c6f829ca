"""Shared by the lists of due and overdue commitments: filters, groups, and where a page begins."""

import re
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError
from sqlalchemy import TextClause

from contracts.envelope import Code, Name
from contracts.messages.commitments import Kind
from contracts.rights.scope import Scope
from contracts.values import Model
from services.runtime.store.scopes import Columns, within

NO_NUL = r"^[^\x00]*$"
"""PostgreSQL's text cannot hold that character."""

REGION = "^[1-9][0-9]{1,5}$"
"""The code of a province, a city or a county, or the beginning of one."""

Query = tuple[TextClause, dict[str, Any]]
"""A statement and its parameters."""


class CommitmentFilter(Model):
    """Selects commitments. All given filters must fit."""

    model_config = ConfigDict(extra="forbid")

    owner: Annotated[Name, Field(pattern=NO_NUL)] | None = Field(
        None, description="The department that answers for it."
    )
    region: str | None = Field(None, pattern=REGION, description="A code of administrative division, or how it begins.")
    item: Code | None = Field(None, description="The matter: an item or a bundle, by its code in the catalogue.")
    kind: Kind | None = Field(None, description="The kind of the commitment.")

    def given(self) -> dict[str, str]:
        """The given filters, by name."""
        filters = self.model_dump(mode="json", include={"owner", "region", "item", "kind"})
        return {name: value for name, value in filters.items() if value is not None}


class Selection(NamedTuple):
    """The commitments that fit all filters and lie in the scope of the reader."""

    filters: CommitmentFilter
    scope: Scope

    def condition(self, conditions: Mapping[str, str], columns: Columns = Columns()) -> str:
        """The condition of SQL. ``conditions``: that of each filter, by name."""
        return " AND ".join([*(conditions[name] for name in self.filters.given()), within(self.scope, columns)[0]])

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters of the condition."""
        return {**self.filters.given(), **within(self.scope)[1]}


class GroupBy(StrEnum):
    """The groups in which commitments are counted."""

    OWNER = "owner"
    REGION = "region"
    ITEM = "item"


COLUMN = {GroupBy.OWNER: "owner", GroupBy.REGION: "region", GroupBy.ITEM: "matter"}


class Cursor(NamedTuple):
    """The last row of a page: its severity, when it was or is due, and the commitment."""

    severity: int
    at: datetime
    case_id: str
    commitment: str

    def __str__(self) -> str:
        moment = self.at.isoformat(timespec="microseconds").replace("+00:00", "Z")
        return f"{self.severity}~{moment}~{self.case_id}~{self.commitment}"


_CURSOR = re.compile(
    r"([0-3])~([12][0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z)~([0-9A-Z-]{16})~([^\x00]{1,80})"
)


def parse_cursor(text: str) -> Cursor:
    """The cursor with this text. Raises `ValueError`."""
    found = _CURSOR.fullmatch(text)
    if found is None:
        raise ValueError("no cursor")
    severity, moment, case_id, commitment = found.groups()
    return Cursor(int(severity), datetime.fromisoformat(moment), case_id, commitment)


def _is_cursor(text: str) -> str:
    try:
        parse_cursor(text)
    except ValueError:
        raise PydanticCustomError("cursor", "is not the `next` of a page", {"zh": "不是上一页给出的 next"}) from None
    return text


After = Annotated[str, Field(max_length=200), AfterValidator(_is_cursor)]
"""The ``next`` of the previous page."""
