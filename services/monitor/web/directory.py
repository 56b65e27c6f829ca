"""Shows the directory in force, and the people whom it names for an alert, for staff."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BeforeValidator, ConfigDict, Field

from contracts.envelope import Code, Instant, Name
from contracts.messages.alerts import Rung
from contracts.messages.fields import PersonId, Region
from contracts.rights.table import Act
from contracts.values import Model
from services.monitor.core.notifications.directory_file import DirectoryFile
from services.monitor.core.state import MonitoredCase
from services.monitor.store.notifications import directory_store
from services.monitor.web.routers import monitor_router
from services.runtime.http.bodies.timestamps import reject_numbers
from services.runtime.http.problems import Problem, not_found
from services.runtime.security.access import Permit
from services.runtime.service import ServiceHost


class DirectoryView(Model):
    """The directory in force. ``made_at`` is machine time."""

    number: int
    summary: str = Field(description="The changes of this version.")
    made_at: datetime
    author: PersonId | None = Field(description="The person who has made it; null for the first one.")
    author_on_behalf_of: PersonId | None = Field(description="The person on leave for whom the author has acted.")
    approver: PersonId | None = Field(
        description="The second person, who has put it in force; null where one was enough."
    )
    approver_on_behalf_of: PersonId | None
    directory: DirectoryFile


class RecipientsQuery(Model):
    """An alert, and the moment and level of its notification."""

    model_config = ConfigDict(extra="forbid")

    rung: Rung
    owner: Name
    region: Region
    item: Code
    at: Annotated[Instant, BeforeValidator(reject_numbers)] | None = Field(None, description="Now if omitted.")
    level: int = Field(0, ge=0, le=100, description="How many times it has escalated.")


class RecipientView(Model):
    """A person who would be notified."""

    id: PersonId
    name: Name


def routes(host: ServiceHost[MonitoredCase]) -> APIRouter:
    """The endpoints."""
    router = monitor_router("monitor", 401, 403, 404, 422, 503)
    readers = host.access.may(Act.READ_DIRECTORY)

    @router.get("/directory")
    async def directory(_: Annotated[Permit, readers]) -> DirectoryView:
        async with host.database.connect() as connection:
            stored = await directory_store.in_force(connection)
            found = await directory_store.latest(connection)
        if stored is None or found is None:
            raise _no_directory()
        version = stored._asdict()
        del version["body"]
        return DirectoryView(**version, directory=found[1].content)

    @router.get("/directory/recipients")
    async def recipients(
        wanted: Annotated[RecipientsQuery, Query()], _: Annotated[Permit, readers]
    ) -> list[RecipientView]:
        """The people who would be notified of such an alert."""
        async with host.database.connect() as connection:
            found = await directory_store.latest(connection)
        if found is None:
            raise _no_directory()
        at = wanted.at or host.clock.now()
        people = found[1].recipients(wanted.rung, wanted.level, wanted.owner, wanted.region, wanted.item, at)
        return [RecipientView(id=person.id, name=person.name) for person in people]

    return router


def _no_directory() -> Problem:
    return not_found(
        "no directory is in force: onedoor directory apply FILE", "尚无生效的人员名录：onedoor directory apply FILE"
    )
