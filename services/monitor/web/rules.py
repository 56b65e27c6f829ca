"""Shows the rules in force and those before them, for staff."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import Field

from contracts.messages.fields import PersonId
from contracts.rights.table import Act
from contracts.values import Model
from services.monitor.core.rules import Rules, RuleSet
from services.monitor.core.state import MonitoredCase
from services.monitor.store import rule_store
from services.monitor.web.routers import monitor_router
from services.runtime.http.operating.openapi import refusals
from services.runtime.http.problems import not_found
from services.runtime.security.access import Permit
from services.runtime.service import ServiceHost
from services.runtime.store import rollouts

MAX_RULES_VERSIONS = 100


class RulesVersionView(Model):
    """A version of the rules, and how far the open cases follow it. Moments are machine time."""

    number: int
    summary: str = Field(description="The changes of this version.")
    made_at: datetime
    visited: int = Field(description="Open cases that have been recalculated.")
    changed: int = Field(description="Of these, cases in which something changed.")
    open_cases: int = Field(description="Open cases there are, about.")
    began_at: datetime | None
    done_at: datetime | None = Field(description="When every open case followed; null until then.")
    author: PersonId | None = Field(
        description="The person who has made it; null for a program, and before the first directory."
    )
    author_on_behalf_of: PersonId | None = Field(description="The person on leave for whom the author has acted.")
    approver: PersonId | None = Field(
        description="The second person, who has put it in force; null where one was enough."
    )
    approver_on_behalf_of: PersonId | None


def routes(host: ServiceHost[MonitoredCase]) -> APIRouter:
    """The endpoints."""
    router = monitor_router()
    readers = host.access.may(Act.READ_RULES)

    @router.get("/rules")
    async def versions(_: Annotated[Permit, readers]) -> list[RulesVersionView]:
        async with host.database.connect() as connection:
            found = await rollouts.history(connection, rule_store.RULES.kind, MAX_RULES_VERSIONS)
        return [RulesVersionView(**version._asdict()) for version in found]

    @router.get("/rules/{version}", responses=refusals(404))
    async def rule_set(version: Annotated[int, Path(ge=0, lt=2**31)], _: Annotated[Permit, readers]) -> RuleSet:
        return (await rules_of_version(host, version)).rule_set

    return router


async def rules_of_version(host: ServiceHost[MonitoredCase], version: int) -> Rules:
    """The rules of that version. Raises `Problem` (404)."""
    async with host.database.connect() as connection:
        found = await rule_store.version(connection, version)
    if found is None:
        raise not_found(f"version {version} of the rules is not on record", f"没有规则版本 {version} 的记录")
    return found
