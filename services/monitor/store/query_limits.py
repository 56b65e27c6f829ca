"""What the lists of supervisors have in common: what is asked for, where a page begins, how gently it is read."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from contracts.envelope import Code, Name
from contracts.messages.commitments import Kind
from services.runtime.http.problems import Problem
from services.runtime.store.database import transaction

QUERIES, EXPORTS = 2, 1
"""Of a process at a time: monitor's own work needs the database more."""

WAIT_S = 3.0
"""Machine seconds somebody waits for a free place, and is then sent away."""

STATEMENT_S = 30.0
"""Machine seconds a statement may take. A million open cases are looked through in less."""

EXPORT_S = 300.0
"""Machine seconds a file may take, with the time that the client needs to read it."""

MARGIN_S = 5.0

CANCELLED = "57014"
"""The SQLSTATE of a statement that has taken too long."""

NO_NUL = r"^[^\x00]*$"
"""PostgreSQL's text has no place for that character."""

REGION = "^[1-9][0-9]{1,5}$"
"""A code of administrative division, or how it begins: of a province, a city, a county."""


class Scope(BaseModel):
    """Which commitments are wanted; all that is given must hold."""

    model_config = ConfigDict(extra="forbid")

    owner: Annotated[Name, Field(pattern=NO_NUL)] | None = Field(
        None, description="The department that answers for it."
    )
    region: str | None = Field(None, pattern=REGION, description="A code of administrative division, or how it begins.")
    item: Code | None = Field(None, description="The matter: an item or a bundle, by its code in the catalogue.")
    kind: Kind | None = Field(None, description="What the commitment is about.")

    def given(self) -> dict[str, str]:
        """What is asked for, by name."""
        wanted = self.model_dump(mode="json", include={"owner", "region", "item", "kind"})
        return {name: value for name, value in wanted.items() if value is not None}


class Cursor(NamedTuple):
    """The last row of a page: how mild it is, since or until when it is due, and which commitment it is."""

    mildness: int
    at: datetime
    case_id: str
    commitment: str

    def __str__(self) -> str:
        moment = self.at.isoformat(timespec="microseconds").replace("+00:00", "Z")
        return f"{self.mildness}~{moment}~{self.case_id}~{self.commitment}"


_CURSOR = re.compile(
    r"([0-3])~([12][0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z)~([0-9A-Z-]{16})~([^\x00]{1,80})"
)


def cursor(written: str) -> Cursor:
    """The cursor that was written like this. Raises `ValueError`."""
    found = _CURSOR.fullmatch(written)
    if found is None:
        raise ValueError("no cursor")
    mildness, moment, case_id, commitment = found.groups()
    return Cursor(int(mildness), datetime.fromisoformat(moment), case_id, commitment)


def _is_a_cursor(written: str) -> str:
    try:
        cursor(written)
    except ValueError:
        raise PydanticCustomError("cursor", "is not the `next` of a page", {"zh": "不是上一页给出的 next"}) from None
    return written


After = Annotated[str, Field(max_length=200), AfterValidator(_is_a_cursor)]
"""The ``next`` of the page before."""

_GENTLY = text("""
    SELECT set_config('transaction_read_only', 'on', true), set_config('statement_timeout', :limit, true),
        set_config('max_parallel_workers_per_gather', '0', true), set_config('work_mem', '32MB', true)
""")


class Readers:
    """Those who look through many rows: a few at a time, alone with one processor each, and not for ever."""

    def __init__(self, database: AsyncEngine) -> None:
        self._database = database
        self._queries = asyncio.Semaphore(QUERIES)
        self._exports = asyncio.Semaphore(EXPORTS)

    @asynccontextmanager
    async def query(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that only reads. Raises `IssueKind` (503) when too many are at it, or it takes too long."""
        async with _turn(self._queries), self._reading(STATEMENT_S + MARGIN_S) as connection:
            yield connection

    @asynccontextmanager
    async def export(self) -> AsyncIterator[AsyncConnection]:
        """The same for a file, which takes longer."""
        async with _turn(self._exports), self._reading(EXPORT_S) as connection:
            yield connection

    @asynccontextmanager
    async def _reading(self, limit_s: float) -> AsyncIterator[AsyncConnection]:
        try:
            async with transaction(self._database, limit_s) as connection:
                await connection.execute(_GENTLY, {"limit": f"{1000 * STATEMENT_S:.0f}ms"})
                yield connection
        except DBAPIError as error:
            if _sqlstate(error) != CANCELLED:
                raise
            raise Problem(
                503,
                "too-much",
                "There is too much to look through in the time allowed",
                "数据量过大，未能在规定时间内完成查询",
                detail="Ask for fewer days, or for one department, region or item.",
                detail_zh="请缩短天数，或限定部门、区划、事项后再试。",
                headers={"Retry-After": "60"},
            ) from error


@asynccontextmanager
async def _turn(free: asyncio.Semaphore) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(WAIT_S):
            await free.acquire()
    except TimeoutError:
        title, title_zh = "Others are looking through the lists", "查询人数过多，请稍后再试"
        raise Problem(503, "busy", title, title_zh, headers={"Retry-After": "5"}) from None
    try:
        yield
    finally:
        free.release()


def _sqlstate(error: DBAPIError) -> Any:
    return getattr(error.orig, "sqlstate", None)
