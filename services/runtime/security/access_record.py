"""The record of access: who asked for what, by which right, and how it ended. See `services.runtime.http.recorded`.

An entry has no personal data of applicants, no token, and nothing that a client sent and nobody has checked.
"""

from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum, unique
from typing import NamedTuple, Protocol

from pydantic import BaseModel

from contracts.bilingual import BilingualError
from contracts.rights.table import Act

PERSONAL = frozenset({Act.READ_CASE, Act.READ_DEAD_LETTER, Act.READ_RECORD})
"""Acts whose every reading is recorded: they give personal data."""


@unique
class Outcome(StrEnum):
    """How a request ended, or that it has begun."""

    BEGUN = "begun"
    """Written before an act that changes something. Without a later entry of the same request its end is not known:
    the process was killed, or the database was unavailable."""
    DONE = "done"
    """The act that had begun is done."""
    REFUSED = "refused"
    """The act that had begun was refused as things stand, and has changed nothing."""
    FAILED = "failed"
    """The act that had begun has met an error."""
    GIVEN = "given"
    """Personal data, or an export, is given from here on."""
    SENT = "sent"
    """All of an export is sent."""
    BROKEN_OFF = "broken-off"
    """An export ended before its end."""
    NOT_LOGGED_IN = "not-logged-in"
    """The token gives no access."""
    NO_RIGHT = "no-right"
    NOT_FOUND = "not-found"
    """There is no such thing, or it lies outside of the scope."""
    FOREIGN = "foreign"
    """A browser sent it from a page of another site."""
    MALFORMED = "malformed"
    """Its headers or its path mean different things to different servers."""


class AccessEntry(NamedTuple):
    """An entry of the record. ``at`` is machine time."""

    at: datetime
    act: str
    outcome: str
    person: str | None = None
    """The subject of the token; None without a valid one."""
    on_behalf_of: str | None = None
    """The person on leave for whom it is done."""
    client: str | None = None
    """The program that uses the token."""
    roles: tuple[str, ...] = ()
    """The roles that give the right."""
    purpose: str | None = None
    """Why, where the endpoint asks for it by a parameter of this name."""
    request: str | None = None
    """Method and path, with the names of parameters in place of their values."""
    request_id: str | None = None
    """The entries of one request have the same."""
    case_id: str | None = None
    filter: str | None = None
    """Which parameters had which values, JSON."""
    rows: int | None = None
    """How many rows were given, where that is counted."""
    times: int = 1
    """How often the same was refused within a moment: such refusals are one entry."""
    address: str | None = None
    """The address of the client, where it is a client of the public."""


class RecordUnavailable(BilingualError):
    """The record cannot be written, so that nothing may be done or read that has to be on it."""

    def __init__(self) -> None:
        super().__init__(
            "the record of access cannot be written now, and nothing is done or shown without it: send the request "
            "again after Retry-After; if it stays so, tell the operators",
            "访问记录暂时无法写入，未经记录不得办理或查看：请在 Retry-After 之后重新发送；持续如此请联系运行维护人员",
        )


class AccessRecord(Protocol):
    """Where entries go; see `services.runtime.jobs.access_recorder`."""

    async def write(self, entry: AccessEntry) -> None:
        """Return when the entry is committed. Raises `RecordUnavailable`."""

    async def note(self, entry: AccessEntry) -> None:
        """Have the entry written a moment later; at once where too many wait. Raises `RecordUnavailable` then."""


@dataclass(slots=True)
class Asked:
    """What the present request asks for. Checks and endpoints add what they know; the record is written from it."""

    permitted: Callable[["Asked"], Awaitable[None]]
    """Called when the right is found, before anything is done. Raises `RecordUnavailable`."""
    act: Act | None = None
    """The act that the endpoint names; None before its check, and for what is public."""
    person: str | None = None
    client: str | None = None
    roles: tuple[str, ...] = ()
    on_behalf_of: str | None = None
    rows: int | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    """Parameters that the endpoint has checked by itself, as a page does that keeps what was typed."""


PRESENT: ContextVar[Asked] = ContextVar("PRESENT")
"""What the request that is being answered asks for. An application that does not record has none, and no right can be
found in it (`services.runtime.security.access.Access.check`)."""


def count_rows(count: int) -> None:
    """Count rows that the present request gives."""
    if (asked := PRESENT.get(None)) is not None:
        asked.rows = (asked.rows or 0) + count


def note_query(checked: BaseModel) -> None:
    """Note the parameters of the present request that were given and are valid."""
    if (asked := PRESENT.get(None)) is not None:
        given = checked.model_dump(mode="json", exclude_unset=True, exclude_none=True)
        asked.query = {name: str(value) for name, value in given.items()}
