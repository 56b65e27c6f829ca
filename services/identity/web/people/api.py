"""The API for managing people, and the issuer's record of access."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import ConfigDict, Field

from contracts.messages.fields import PersonId, Reason
from contracts.rights.table import Act
from contracts.values import Model
from services.identity.core.accounts import State
from services.identity.store.enrolments import VALID
from services.identity.store.listing import Listed, Wanted
from services.identity.web.issuer import Issuer
from services.identity.web.people import acts
from services.identity.web.people.acts import AccountAct
from services.runtime.http.bodies.json_route import json_router
from services.runtime.http.operating import access_record
from services.runtime.http.operating.openapi import refusals
from services.runtime.security.access import Permit

DEFAULT_LIMIT, MAX_LIMIT = 100, 1000
"""Accounts of a page."""


class PeopleQuery(Model):
    """A page of the accounts. All given filters must fit."""

    model_config = ConfigDict(extra="forbid")

    text: Annotated[str, Field(min_length=1, max_length=60)] | None = Field(
        None, description="A part of the id or of the name."
    )
    state: State | None = None
    waiting: bool = Field(False, description="Only those whose enrolment waits for a second person.")
    after: Annotated[str, Field(max_length=64)] = Field("", description="Continue after the page that gave this.")
    limit: int = Field(DEFAULT_LIMIT, ge=1, le=MAX_LIMIT)


class AskedEnrolment(Model):
    """An enrolment that waits for a second person."""

    person: str
    on_behalf_of: str | None
    reason: str
    at: datetime


class Account(Model):
    """An account. Moments are machine time."""

    person: str
    name: str
    state: State
    has_password: bool
    passkeys: int
    sessions: int
    logged_in_at: datetime | None
    left_at: datetime | None = Field(description="Since when the directory has no post of the person.")
    locked_until: datetime | None
    code_until: datetime | None = Field(description="A code that was given out can be used until then.")
    asked: AskedEnrolment | None


class AccountPage(Model):
    """Accounts by their id. ``next`` is the ``after`` of the next page, null on the last."""

    people: list[Account]
    next: str | None


class ReasonGiven(Model):
    """Why it is done, for the record."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason


class EnrolmentView(Model):
    """The code of an enrolment, which is shown nowhere else; or null while it waits for a second person."""

    code: str | None
    address: str = Field(description="Where the person uses it.")
    valid_until: datetime


def routes(issuer: Issuer) -> APIRouter:
    """The endpoints."""
    router = json_router(tags=["people"], responses=refusals(401, 403, 404, 422, 503))
    changes = issuer.access.may(Act.MANAGE_PEOPLE, fresh=True)

    @router.get("/people", dependencies=[issuer.access.may(Act.MANAGE_PEOPLE)])
    async def people(wanted: Annotated[PeopleQuery, Query()]) -> AccountPage:
        """The accounts, and how each stands."""
        chosen = Wanted(wanted.text, wanted.state, wanted.waiting, wanted.after)
        found = await acts.listed(issuer, chosen, wanted.limit + 1)
        shown = found[: wanted.limit]
        return AccountPage(
            people=[_account(one) for one in shown], next=shown[-1].person_id if len(found) > wanted.limit else None
        )

    @router.post("/people/{person}/enrolment", responses=refusals(409))
    async def enrol(person: PersonId, given: ReasonGiven, permit: Annotated[Permit, changes]) -> EnrolmentView:
        """Give out the code by which a person sets a password or a passkey, once, within 72 hours. Where changes need
        two people, the first one asks for it, and another one gets it."""
        enrolment = await acts.enrol(issuer, person, permit.actor, given.reason)
        return EnrolmentView(code=enrolment.code, address=f"{issuer.url}/enrol", valid_until=issuer.now() + VALID)

    @router.post("/people/{person}/{act}", status_code=204)
    async def act(
        person: PersonId, act: AccountAct, given: ReasonGiven, permit: Annotated[Permit, changes]
    ) -> Response:
        """Disable or enable an account, forget its wrong passwords, end its logins, or withdraw its enrolment."""
        await acts.do(issuer, act, person, permit.actor, given.reason)
        return Response(status_code=204)

    router.routes.extend(access_record.routes(issuer.access, issuer.database, "identity").routes)
    return router


def _account(one: Listed) -> Account:
    asked = one.asked
    return Account(
        person=one.person_id,
        **{name: value for name, value in one._asdict().items() if name not in ("person_id", "asked")},
        asked=None
        if asked is None
        else AskedEnrolment(
            person=asked.actor.person, on_behalf_of=asked.actor.on_behalf_of, reason=asked.reason, at=asked.asked_at
        ),
    )
