"""Takes changes of the rules, the calendars and the directory, which a second person puts in force."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.faults import texts_of
from contracts.messages.fields import PersonId
from contracts.rights.actor import Actor
from contracts.rights.table import Act
from contracts.values import Model
from contracts.working_time.notices import Notice
from services.monitor.core.notifications.directory_file import DirectoryFile
from services.monitor.core.rules import RuleFile, Rules, RuleSet, rule_set
from services.monitor.core.state import MonitoredCase
from services.monitor.store import rule_store
from services.monitor.store.notifications import directory_store
from services.monitor.web.routers import ACTION_REFUSALS, monitor_router
from services.runtime.http.problems import FieldFault, Problem, not_found, wrong_fields
from services.runtime.security.access import Permit
from services.runtime.service import ServiceHost
from services.runtime.store import documents, proposals
from services.runtime.store.database import transaction
from services.runtime.store.documents import Superseded, VersionedDocument
from services.runtime.store.proposals import NoProposal, Proposal, SamePerson

C = TypeVar("C", bound=BaseModel)
T = TypeVar("T")

Host = ServiceHost[MonitoredCase]
Number = Annotated[int, Path(ge=1, lt=2**31)]


class ChangeRequest(Model):
    """A change of the version that is in force."""

    model_config = ConfigDict(extra="forbid")

    after: int = Field(ge=0, lt=2**31, strict=True, description="The number of that version, 0 for none.")


class RulesChangeRequest(ChangeRequest):
    """Other rules, and all notices of holidays that are to be in force with them."""

    rules: RuleFile
    notices: Annotated[tuple[Notice, ...], Field(max_length=500)]


class DirectoryChangeRequest(ChangeRequest):
    """Another directory."""

    directory: DirectoryFile


class ProposalView(Model):
    """A change that waits for a second person. ``proposed_at`` is machine time."""

    number: int
    after: int = Field(description="The number of the version that it was made from; it must be in force still.")
    summary: str
    author: PersonId
    author_on_behalf_of: PersonId | None
    proposed_at: datetime


class RulesProposalView(ProposalView):
    """The same with its content."""

    rules: RuleSet


class DirectoryProposalView(ProposalView):
    """The same with its content."""

    directory: DirectoryFile


class ChangeResult(Model):
    """The proposal that was made of a change, or the version that is in force where one person is enough."""

    proposal: int | None = None
    version: int | None = None


class VersionInForce(Model):
    """The number of the version that is in force now."""

    version: int


class WithdrawnProposal(Model):
    """The number of the proposal."""

    proposal: int


def routes(host: Host) -> APIRouter:
    """The endpoints."""
    router = monitor_router("monitor", *ACTION_REFUSALS, 413)
    changes_rules = host.access.may(Act.CHANGE_RULES, fresh=True)
    changes_directory = host.access.may(Act.CHANGE_DIRECTORY, fresh=True)

    @router.post("/rules/proposals", status_code=201)
    async def change_rules(request: RulesChangeRequest, permit: Annotated[Permit, changes_rules]) -> ChangeResult:
        """Propose other rules or calendars; where one person is enough, put them in force."""
        places = [(notice.region, notice.year) for notice in request.notices]
        for number, place in enumerate(places):
            if place in places[:number]:
                en, zh = "this region and year have a notice already", "该区域该年度已有一份通知"
                raise wrong_fields([FieldFault(pointer=f"#/notices/{number}", detail=en, detail_zh=zh)])
        try:
            made = rule_set(request.rules, request.notices)
            Rules(0, made)  # raises for content that cannot be applied
        except ValueError as error:
            en, zh = texts_of(error)
            raise wrong_fields([FieldFault(pointer="#/notices", detail=en, detail_zh=zh)]) from None
        async with host.database.connect() as connection:
            before = (await rule_store.in_force(connection)).rule_set
        return await _change(host, permit, rule_store.RULES, made, rule_store.summary(before, made), request.after)

    @router.post("/directory/proposals", status_code=201)
    async def change_directory(
        request: DirectoryChangeRequest, permit: Annotated[Permit, changes_directory]
    ) -> ChangeResult:
        """Propose another directory; where one person is enough, put it in force."""
        made = request.directory
        if (fault := directory_store.obstacle(made)) is not None:
            en, zh = fault
            raise wrong_fields([FieldFault(pointer="#/directory/posts", detail=en, detail_zh=zh)])
        return await _change(host, permit, directory_store.DIRECTORY, made, made.version, request.after)

    @router.get("/rules/proposals/{number}")
    async def rules_proposal(
        number: Number, _: Annotated[Permit, host.access.may(Act.READ_RULES)]
    ) -> RulesProposalView:
        proposal = await find_proposal(host, rule_store.RULES, number)
        content = rule_store.RULES.parse(number, proposal.body)
        return RulesProposalView(**_fields(proposal), rules=content)

    @router.get("/directory/proposals/{number}")
    async def directory_proposal(
        number: Number, _: Annotated[Permit, host.access.may(Act.READ_DIRECTORY)]
    ) -> DirectoryProposalView:
        proposal = await find_proposal(host, directory_store.DIRECTORY, number)
        content = directory_store.DIRECTORY.parse(number, proposal.body)
        return DirectoryProposalView(**_fields(proposal), directory=content)

    _add_settling(router, host, rule_store.RULES, Act.READ_RULES, Act.CHANGE_RULES)
    _add_settling(router, host, directory_store.DIRECTORY, Act.READ_DIRECTORY, Act.CHANGE_DIRECTORY)
    return router


def _add_settling(router: APIRouter, host: Host, document: VersionedDocument[Any], reads: Act, changes: Act) -> None:
    """Add what the proposals of all documents have in common."""
    path = f"/{document.kind}/proposals"
    reading, changing = host.access.may(reads), host.access.may(changes, fresh=True)

    @router.get(path, operation_id=f"{document.kind}_proposals")
    async def waiting(_: Annotated[Permit, reading]) -> list[ProposalView]:
        """The changes that wait for a second person, the oldest first."""
        async with host.database.connect() as connection:
            found = await proposals.open_proposals(connection, document.kind)
        return [ProposalView(**_fields(one)) for one in found]

    @router.post(f"{path}/{{number}}/approval", status_code=201, operation_id=f"approve_{document.kind}")
    async def approve(number: Number, permit: Annotated[Permit, changing]) -> VersionInForce:
        """Put a proposal in force, as its second person."""

        return VersionInForce(version=await approve_proposal(host, document, number, permit.actor))

    @router.post(f"{path}/{{number}}/withdrawal", status_code=201, operation_id=f"withdraw_{document.kind}")
    async def withdraw(number: Number, permit: Annotated[Permit, changing]) -> WithdrawnProposal:
        """Settle a proposal without putting it in force."""
        await withdraw_proposal(host, document, number, permit.actor)
        return WithdrawnProposal(proposal=number)


async def _change(
    host: Host, permit: Permit, document: VersionedDocument[C], content: C, summary: str, after: int
) -> ChangeResult:
    four_eyes = host.access.holders is None or host.access.holders.four_eyes

    async def work(connection: AsyncConnection) -> ChangeResult:
        if four_eyes:
            number = await proposals.propose(connection, document, content, summary, permit.actor, after)
            return ChangeResult(proposal=number)
        version = await documents.put(connection, document, content, summary, after=after, author=permit.actor)
        return ChangeResult(version=version or after)

    return await _in_transaction(host, document, work)


async def approve_proposal(host: Host, document: VersionedDocument[Any], number: int, approver: Actor) -> int:
    """Put a proposal in force, and return the number of the version. Raises `Problem`."""

    async def work(connection: AsyncConnection) -> int:
        return (await proposals.approve(connection, document, number, approver))[0]

    return await _in_transaction(host, document, work)


async def withdraw_proposal(host: Host, document: VersionedDocument[Any], number: int, actor: Actor) -> None:
    """Settle a proposal without putting it in force. Raises `Problem`."""
    await _in_transaction(
        host, document, lambda connection: proposals.withdraw(connection, document.kind, number, actor)
    )


async def find_proposal(host: Host, document: VersionedDocument[Any], number: int) -> Proposal:
    """An open proposal. Raises `Problem`."""
    return await _in_transaction(host, document, lambda connection: proposals.find(connection, document.kind, number))


async def _in_transaction(
    host: Host, document: VersionedDocument[Any], work: Callable[[AsyncConnection], Awaitable[T]]
) -> T:
    """Run the work in one transaction. Raises `Problem`."""
    try:
        async with transaction(host.database) as connection:
            return await work(connection)
    except NoProposal:
        raise not_found(
            f"there is no open proposal of the {document.kind} with this number", "没有该编号的待批准变更"
        ) from None
    except SamePerson:
        raise Problem(
            409,
            "second-person",
            "Another person approves it",
            "须由另一人批准",
            detail="You have proposed this change, or act for the person who has.",
            detail_zh="该变更由您或您所代理的人提交。",
        ) from None
    except Superseded:
        raise Problem(
            409,
            "superseded",
            "Another version is in force by now",
            "期间已启用另一版本",
            detail="Make the change again from the version that is in force.",
            detail_zh="请在现行版本的基础上重新提交变更。",
        ) from None


def _fields(proposal: Proposal) -> dict[str, Any]:
    author, fields = proposal.author, proposal._asdict()
    del fields["body"]
    return {**fields, "author": author.person, "author_on_behalf_of": author.on_behalf_of}
