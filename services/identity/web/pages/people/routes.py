"""The pages for managing people: the list, an account, and the code of an enrolment, which is shown once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Request
from pydantic import ConfigDict, Field, ValidationError
from starlette.responses import RedirectResponse, Response

from contracts.messages.fields import PersonId, Reason
from contracts.rights.actor import Actor
from contracts.rights.table import Act
from contracts.values import Model
from services.identity.core.accounts import State, gives_code
from services.identity.store import listing, record
from services.identity.store.enrolments import VALID
from services.identity.store.listing import Listed, Wanted
from services.identity.web.issuer import Issuer
from services.identity.web.pages.history import Times, told
from services.identity.web.pages.page import PAGES
from services.identity.web.pages.people.shown import PEOPLE, SHOWN_STATES, posts_of, shown
from services.identity.web.people import acts
from services.identity.web.people.acts import AccountAct
from services.runtime.http.pages.forms import field_faults, typed_form
from services.runtime.http.pages.languages import N_
from services.runtime.http.pages.preferences import preferences_of
from services.runtime.http.pages.reader import Reader, reader_may
from services.runtime.http.problems import Problem

PAGE_ROWS = 50
"""Accounts of a page."""

HISTORY_ROWS = 20
"""Entries of the history on the page of an account."""

CONFIRM = "/session/confirm"
IN_ANOTHER_TAB = f"{CONFIRM}?next={quote('/session/done', safe='')}"

_CHALLENGE = 'Bearer error="insufficient_user_authentication"'

REASON = N_("Reason")


class PeopleQuery(Model):
    """A page of the list. ``state``: of the accounts, or ``waiting``."""

    model_config = ConfigDict(extra="ignore")

    text: Annotated[str, Field(max_length=60)] = ""
    state: Annotated[str, Field(max_length=20)] = ""
    after: Annotated[str, Field(max_length=64)] = ""


class ReasonForm(Model):
    """The form of an act."""

    reason: Reason


@dataclass
class Typed:
    """A form that comes back. ``stale``: the login is too old for it."""

    fields: Mapping[str, str] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)
    stale: bool = False
    status: int = 200


def routes(issuer: Issuer) -> APIRouter:
    """The routes of the pages."""
    router = APIRouter(include_in_schema=False)
    managers = reader_may(issuer, Act.MANAGE_PEOPLE)

    @router.get(PEOPLE)
    async def people(request: Request, reader: Annotated[Reader, managers]) -> Response:
        """The accounts, and how each stands."""
        try:
            query = PeopleQuery.model_validate(dict(request.query_params))
        except ValidationError:
            query = PeopleQuery()
        language = preferences_of(request).language
        texts, times = PAGES.texts(language), Times(issuer.now(), language)
        state = query.state if query.state in SHOWN_STATES else ""
        wanted = Wanted(
            query.text.strip() or None,
            State(state) if state and state != "waiting" else None,
            state == "waiting",
            query.after,
        )
        found = await acts.listed(issuer, wanted, PAGE_ROWS + 1)
        counts = await issuer.run(lambda connection: listing.counts(connection, issuer.now()))
        given = {"text": query.text.strip(), "state": state}
        kept = {name: value for name, value in given.items() if value}
        return PAGES.render(
            request,
            "people.html",
            rows=[shown(one, issuer, times, texts) for one in found[:PAGE_ROWS]],
            counts=counts,
            given=given,
            states=[(name, texts.gettext(text)) for name, text in SHOWN_STATES.items()],
            next=f"{PEOPLE}?{urlencode({**kept, 'after': found[PAGE_ROWS - 1].person_id})}"
            if len(found) > PAGE_ROWS
            else None,
            start=f"{PEOPLE}?{urlencode(kept)}" if query.after else None,
        )

    @router.get(PEOPLE + "/{person}")
    async def account(person: PersonId, request: Request, reader: Annotated[Reader, managers]) -> Response:
        """An account: its posts, its logins, and what may be done to it."""
        return await show(request, reader, person, Typed())

    @router.post(PEOPLE + "/{person}/enrolment")
    async def enrol(person: PersonId, request: Request, reader: Annotated[Reader, managers]) -> Response:
        """Ask for the enrolment of a person, or give its code out, on a page that is shown once."""
        given = await form(request, reader, person)
        if isinstance(given, Response):
            return given
        try:
            enrolment = await acts.enrol(issuer, person, actor(reader), given["reason"])
        except Problem as problem:
            return await show(request, reader, person, _refused(request, given, problem))
        if enrolment.code is None:
            return RedirectResponse(f"{PEOPLE}/{person}?done=asked", 303)
        language = preferences_of(request).language
        return PAGES.render(
            request,
            "people_code.html",
            account=await acts.account(issuer, person),
            code=enrolment.code,
            asked_by=enrolment.asked_by,
            given_by=reader.name,
            address=f"{issuer.url}/enrol",
            until=Times(issuer.now(), language).moment(issuer.now() + VALID),
        )

    @router.post(PEOPLE + "/{person}/{act}")
    async def do(person: PersonId, act: AccountAct, request: Request, reader: Annotated[Reader, managers]) -> Response:
        """Do this to an account."""
        given = await form(request, reader, person)
        if isinstance(given, Response):
            return given
        try:
            await acts.do(issuer, act, person, actor(reader), given["reason"])
        except Problem as problem:
            return await show(request, reader, person, _refused(request, given, problem))
        return RedirectResponse(f"{PEOPLE}/{person}?done={act.value}", 303)

    def actor(reader: Reader) -> Actor:
        return issuer.access.permit(reader.name or "", Act.MANAGE_PEOPLE).actor

    async def form(request: Request, reader: Reader, person: str) -> Mapping[str, str] | Response:
        """The form of an act, or the page with its faults."""
        fields = {name: values[0] for name, values in (await typed_form(request)).items()}
        try:
            ReasonForm.model_validate({name: fields[name] for name in ("reason",) if name in fields})
        except ValidationError as error:
            language = preferences_of(request).language
            labels = {"reason": PAGES.texts(language).gettext(REASON)}
            return await show(request, reader, person, Typed(fields, field_faults(error, labels, language), status=422))
        if not reader.is_fresh:
            return await show(request, reader, person, Typed(fields, stale=True, status=401))
        return fields

    async def show(request: Request, reader: Reader, person: str, typed: Typed) -> Response:
        language = preferences_of(request).language
        texts, times = PAGES.texts(language), Times(issuer.now(), language)
        found = await acts.account(issuer, person)
        entries = await issuer.run(lambda connection: record.about(connection, person, HISTORY_ROWS))
        done = request.query_params.get("done") if request.method == "GET" else None
        holders = issuer.access.holders
        response = PAGES.render(
            request,
            "people_account.html",
            typed.status,
            row=shown(found, issuer, times, texts),
            posts=posts_of(person, issuer, texts),
            asked_at=None if found.asked is None else times.moment(found.asked.asked_at),
            gives_code=gives_code(found.asked, actor(reader), four_eyes=holders is None or holders.four_eyes),
            is_own=person == reader.name,
            may_do=_possible(found),
            history=told(entries, times, texts),
            done=done,
            confirm=f"{CONFIRM}?{urlencode({'next': f'{PEOPLE}/{person}'})}",
            in_another_tab=IN_ANOTHER_TAB,
            typed=typed.fields,
            problems=typed.problems,
            stale=typed.stale,
        )
        if typed.stale:
            response.headers["WWW-Authenticate"] = _CHALLENGE
        return response

    return router


def _possible(account: Listed) -> list[str]:
    """The acts that have an effect on an account as it stands."""
    found = []
    if account.locked_until is not None:
        found.append(AccountAct.UNLOCK)
    if account.sessions:
        found.append(AccountAct.END_SESSIONS)
    if account.asked is not None or account.code_until is not None:
        found.append(AccountAct.WITHDRAW)
    found.append(AccountAct.ENABLE if account.state is State.DISABLED else AccountAct.DISABLE)
    return [one.value for one in found]


def _refused(request: Request, fields: Mapping[str, str], problem: Problem) -> Typed:
    language = "_zh" if preferences_of(request).language == "zh" else ""
    text = str(problem.members.get(f"detail{language}") or problem.members[f"title{language}"])
    return Typed(fields, {"": text}, status=problem.status)
