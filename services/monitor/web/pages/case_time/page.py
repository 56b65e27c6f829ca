"""The page of the time of a case, with the forms of supervisors: hold its time, and settle a doubtful time."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from pydantic import ValidationError
from starlette.responses import RedirectResponse, Response

from contracts.core import Rejected, UnknownCase
from contracts.messages.commitments import CASE
from contracts.messages.fields import Article, Reason
from contracts.messages.tasks import TimeField
from contracts.rights.scope import Scope
from contracts.rights.table import Act
from contracts.values import Model
from contracts.working_time import phrases
from services.monitor.core.holds import BeginHold, EndHold
from services.monitor.core.names import NamesInForce
from services.monitor.core.state import MonitoredCase
from services.monitor.store import alerts, rule_store
from services.monitor.web.actions import doubtful_times, holds
from services.monitor.web.cases import scope_has
from services.monitor.web.pages.acting import covering, permit_of
from services.monitor.web.pages.case_time.view import CaseTimeView
from services.monitor.web.pages.effects import PREVIEW, after
from services.monitor.web.pages.way import Ways, with_way
from services.monitor.web.pages.words import Words
from services.runtime.http.bodies.typed_text import CaseNumberPath, TypedCode
from services.runtime.http.pages.forms import field_faults, typed_form
from services.runtime.http.pages.languages import N_
from services.runtime.http.pages.preferences import preferences_of
from services.runtime.http.pages.reader import Reader, reader_may
from services.runtime.http.pages.rendering import Pages
from services.runtime.http.problems import NO_SUCH_CASE
from services.runtime.service import ServiceHost

PATH = "/time/{case_id}"

MOST_ALERTS = 50

LABELS = {
    "reason": N_("Reason"),
    "article": N_("Article of the law"),
    "since": N_("Since when"),
    "until": N_("Until when"),
    "counts_at": N_("The moment that counts"),
}


class HoldForm(Model):
    """The time of the case is suspended; an empty moment is now."""

    reason: Reason
    article: Article = ""
    since: datetime | None = None


class HoldEndForm(Model):
    """The time of the case resumes; an empty moment is now."""

    reason: Reason
    until: datetime | None = None


class SettlementForm(Model):
    """Which moment counts."""

    step: TypedCode
    procedure: TypedCode | None = None
    field: TimeField
    counts_at: datetime
    reason: Reason


@dataclass(frozen=True)
class Typed:
    """The state of the form with this name: what was typed, and what is wrong with it."""

    form: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)
    status: int = 200


def add(router: APIRouter, pages: Pages, host: ServiceHost[MonitoredCase], names: NamesInForce, ways: Ways) -> None:
    """Add the page and its forms."""
    holders = reader_may(host, Act.HOLD_CASE)

    @router.get(PATH)
    async def time_of_case(
        case_id: CaseNumberPath, request: Request, reader: Annotated[Reader, reader_may(host, Act.READ_TIME)]
    ) -> Response:
        """The time of a case."""
        return await show(request, reader, case_id, Typed())

    @router.post(PATH + "/holds")
    async def hold(case_id: CaseNumberPath, request: Request, reader: Annotated[Reader, holders]) -> Response:
        """Suspend the time of the case."""

        async def act(form: HoldForm, at: Callable[[datetime], datetime]) -> str:
            permit = permit_of(host, reader, Act.HOLD_CASE)
            assert permit is not None
            since = at(form.since) if form.since is not None else None
            return f"hold={await holds.begin(host, permit, case_id, form.reason, form.article, since)}"

        return await acted(request, reader, case_id, "hold", HoldForm, act)

    @router.post(PATH + "/holds/{name}/end")
    async def end_hold(
        case_id: CaseNumberPath,
        name: Annotated[TypedCode, Path()],
        request: Request,
        reader: Annotated[Reader, holders],
    ) -> Response:
        """Resume the time of the case."""

        async def act(form: HoldEndForm, at: Callable[[datetime], datetime]) -> str:
            permit = permit_of(host, reader, Act.HOLD_CASE)
            assert permit is not None
            until = at(form.until) if form.until is not None else None
            return f"hold={await holds.end(host, permit, case_id, name, form.reason, until)}"

        return await acted(request, reader, case_id, "end", HoldEndForm, act)

    @router.post(PATH + "/times")
    async def settle_time(
        case_id: CaseNumberPath, request: Request, reader: Annotated[Reader, reader_may(host, Act.SETTLE_TIME)]
    ) -> Response:
        """Settle a doubtful time."""

        async def act(form: SettlementForm, at: Callable[[datetime], datetime]) -> str:
            permit = permit_of(host, reader, Act.SETTLE_TIME)
            assert permit is not None
            wanted = doubtful_times.SettlementRequest(
                **{**form.model_dump(), "counts_at": at(form.counts_at).isoformat()}
            )
            await doubtful_times.settle(host, permit, case_id, wanted)
            return f"settled={form.step}"

        return await acted(request, reader, case_id, "settle", SettlementForm, act)

    async def acted(
        request: Request, reader: Reader, case_id: str, name: str, form: type[Model], act: Callable[[Any, Any], Any]
    ) -> Response:
        fields = {name: values[0] for name, values in (await typed_form(request)).items() if values[0].strip()}
        language = preferences_of(request).language
        try:
            wanted = form.model_validate({name: fields[name] for name in form.model_fields if name in fields})
        except ValidationError as error:
            labels = {name: pages.texts(language).gettext(label) for name, label in LABELS.items()}
            problems = field_faults(error, labels, language)
            return await show(request, reader, case_id, Typed(name, fields, problems, 422))
        state = await host.read(case_id)
        async with host.database.connect() as connection:
            rules = await rule_store.in_force(connection)
        hours = rules.counting_rules(state.region or "" if state is not None else "").hours

        def at_place(typed: datetime) -> datetime:
            return typed if typed.tzinfo is not None else typed.replace(tzinfo=hours.local(host.clock.now()).tzinfo)

        try:
            done = await act(wanted, at_place)
        except UnknownCase:
            raise
        except Rejected as error:
            text = error.zh if language == "zh" else error.en
            return await show(request, reader, case_id, Typed(name, fields, {"": text}, 409))
        return RedirectResponse(with_way(f"/time/{case_id}?{done}", request) + "#done", 303)

    async def show(request: Request, reader: Reader, case_id: str, typed: Typed) -> Response:
        language = preferences_of(request).language
        view = await load(Words(language, pages.texts(language), names()), case_id, reader)
        query = request.query_params if request.method == "GET" else {}
        done = next((one for one in view.holds if one.name == query.get("hold")), None)
        settled = next(
            (one for one in view.doubts if one.step == query.get("settled") and one.settlement is not None), None
        )
        case = view.state.commitment(CASE)

        def may(act: Act) -> bool:
            permit = permit_of(host, reader, act)
            place = (case.owner or "" if case is not None else "", view.state.region or "", view.state.matter or "")
            return permit is not None and permit.covers(*place)

        return pages.render(
            request,
            "case_time.html",
            typed.status,
            case=view,
            form=typed.form,
            typed=typed.fields,
            problems=typed.problems,
            way=await ways.of_case(request, reader, case_id),
            done=done,
            settled=settled,
            may_hold=may(Act.HOLD_CASE),
            may_settle=may(Act.SETTLE_TIME),
            effect=effect(view) if may(Act.HOLD_CASE) else None,
            printed=view.printed,
        )

    async def load(words: Words, case_id: str, reader: Reader) -> CaseTimeView:
        state = await host.read(case_id)
        if state is None or not scope_has(reader.scope, state):
            raise NO_SUCH_CASE
        alerts_scope: Scope = covering(host, reader, Act.READ_ALERT)
        async with host.database.connect() as connection:
            rules, name_of = await rule_store.in_force(connection), await words.people(connection, host.clock.now())
            versions = {rules.number: rules}
            for version in {one.rules_version for one in state.commitments} - set(versions):
                versions[version] = await rule_store.version(connection, version) or rules
            found = await alerts.newest(connection, {"case": case_id}, alerts_scope, MOST_ALERTS)
        return CaseTimeView(words, case_id, state, rules, versions, found, name_of, host.clock.now())


def effect(view: CaseTimeView) -> str | None:
    """The effects of a hold that begins now, or of the end of the one that lasts."""
    command: BeginHold | EndHold
    if view.held is not None:
        command = EndHold(hold=view.held.name, by=PREVIEW, reason=PREVIEW, until=view.now)
    elif view.can_be_held:
        command = BeginHold(hold=PREVIEW, by=PREVIEW, reason=PREVIEW, since=view.now)
    else:
        return None
    found = after(view.rules, view.state, view.case_id, command, view.now)
    case = found.commitment(CASE) if isinstance(found, MonitoredCase) else None
    if case is None or case.due is None:
        return None
    words = view.words
    if isinstance(command, EndHold):
        return words._(
            N_("If it resumes now, the committed limit ends %(due)s."), due=view.moment(case.due.committed_due)
        )
    if case.due.pause is None or case.due.committed_due <= view.now:
        return words._(N_("The committed limit is over already. If it is held from now on, no further card falls due."))
    left = phrases.working_days(case.due.pause.left, words.language)
    text = N_("If it is held from now on, nothing falls due; left of the committed limit: %(left)s.")
    return words._(text, left=left)
