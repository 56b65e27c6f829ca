"""The page of one alert: is it right, and what do I decide?"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from pydantic import ValidationError
from starlette.responses import RedirectResponse, Response

from contracts.core import Rejected
from contracts.messages.alerts import AppealDecided, Rung
from contracts.messages.fields import Reason
from contracts.rights.scope import Scope
from contracts.rights.table import Act
from contracts.values import Model
from services.monitor.core.names import NamesInForce
from services.monitor.core.state import MonitoredCase
from services.monitor.store import alerts, rule_store
from services.monitor.store.lists.neighbours import Neighbour
from services.monitor.store.notifications import digests
from services.monitor.web.actions.alert_actions import Number, appeal, decide
from services.monitor.web.pages.acting import permit_of
from services.monitor.web.pages.alerts.acknowledgement import REASON
from services.monitor.web.pages.alerts.record import AlertRecord
from services.monitor.web.pages.effects import PREVIEW, after
from services.monitor.web.pages.way import Ways, with_way
from services.monitor.web.pages.words import Words
from services.runtime.http.pages.forms import field_faults, typed_form
from services.runtime.http.pages.languages import N_
from services.runtime.http.pages.preferences import preferences_of
from services.runtime.http.pages.reader import Reader, reader_may
from services.runtime.http.pages.rendering import Pages
from services.runtime.http.problems import not_found
from services.runtime.security.access import FRESH
from services.runtime.service import ServiceHost

PATH = "/alerts/{number}"

CONFIRM = "/session/confirm"
"""Where the front has a person prove anew who it is."""

IN_ANOTHER_TAB = f"{CONFIRM}?{urlencode({'next': '/session/done'})}"

UPHELD = N_("Decision")

CHALLENGE = f'Bearer error="insufficient_user_authentication", max_age={int(FRESH.total_seconds())}'


class AppealForm(Model):
    """The text of an appeal."""

    reason: Reason


class DecisionForm(Model):
    """A decision on an appeal."""

    upheld: bool
    reason: Reason


@dataclass(frozen=True)
class Typed:
    """The state of the forms of the page: what was typed, what is wrong with it, and whether the login is too old."""

    fields: Mapping[str, str]
    problems: Mapping[str, str]
    stale: bool = False
    status: int = 200


NOTHING_TYPED = Typed({}, {})


def add(router: APIRouter, pages: Pages, host: ServiceHost[MonitoredCase], names: NamesInForce, ways: Ways) -> None:
    """Add the page and its forms."""

    @router.get(PATH)
    async def one_alert(
        number: Number, request: Request, reader: Annotated[Reader, reader_may(host, Act.READ_ALERT)]
    ) -> Response:
        """An alert, its evidence and its history."""
        return await show(request, reader, number, NOTHING_TYPED)

    @router.post(PATH + "/appeal")
    async def appeal_against_card(
        number: Number, request: Request, reader: Annotated[Reader, reader_may(host, Act.APPEAL_ALERT)]
    ) -> Response:
        """Appeal against a card."""
        fields = await _fields(request)
        try:
            wanted = AppealForm.model_validate(fields)
        except ValidationError as error:
            return await show(request, reader, number, Typed(fields, faults(request, error), status=422))
        permit = permit_of(host, reader, Act.APPEAL_ALERT)
        assert permit is not None
        try:
            await appeal(host, permit, number, wanted.reason)
        except Rejected as error:
            return await refused(request, reader, number, fields, error)
        return RedirectResponse(with_way(f"/alerts/{number}?done=appealed", request), 303)

    @router.post(PATH + "/decision")
    async def decide_appeal(
        number: Number, request: Request, reader: Annotated[Reader, reader_may(host, Act.DECIDE_APPEAL)]
    ) -> Response:
        """Decide on an appeal. Where the login is too old, the page comes back with all that was typed."""
        fields = await _fields(request)
        try:
            wanted = DecisionForm.model_validate(
                {name: fields[name] for name in DecisionForm.model_fields if name in fields}
            )
        except ValidationError as error:
            return await show(request, reader, number, Typed(fields, faults(request, error), status=422))
        if not reader.is_fresh:
            return await show(request, reader, number, Typed(fields, {}, stale=True, status=401))
        permit = permit_of(host, reader, Act.DECIDE_APPEAL)
        assert permit is not None
        try:
            await decide(host, permit, number, wanted.reason, upheld=wanted.upheld)
        except Rejected as error:
            return await refused(request, reader, number, fields, error)
        return RedirectResponse(with_way(f"/alerts/{number}?done=decided", request), 303)

    def faults(request: Request, error: ValidationError) -> dict[str, str]:
        language = preferences_of(request).language
        texts = pages.texts(language)
        return field_faults(error, {"reason": texts.gettext(REASON), "upheld": texts.gettext(UPHELD)}, language)

    async def refused(
        request: Request, reader: Reader, number: int, fields: Mapping[str, str], error: Rejected
    ) -> Response:
        text = error.zh if preferences_of(request).language == "zh" else error.en
        return await show(request, reader, number, Typed(fields, {"": text}, status=409))

    async def show(request: Request, reader: Reader, number: int, typed: Typed) -> Response:
        language = preferences_of(request).language
        record = await load(Words(language, pages.texts(language), names()), number, reader.scope)
        values = {
            "may": {act: _may(record, permit_of(host, reader, act)) for act in _ACTS},
            "is_own": record.row.appealed_by == reader.name,
            "effect": await effect(record) if record.is_disputed else None,
            "confirm": f"{CONFIRM}?{urlencode({'next': with_way(f'/alerts/{number}', request)})}",
            "way": await ways.of_alert(request, reader, Neighbour(record.row.case_id, record.row.commitment, number)),
            "done": request.query_params.get("done") if request.method == "GET" else None,
        }
        response = pages.render(
            request,
            "alert.html",
            typed.status,
            record=record,
            typed=typed.fields,
            problems=typed.problems,
            stale=typed.stale,
            in_another_tab=IN_ANOTHER_TAB,
            printed=record.moment(host.clock.now()),
            **values,
        )
        if typed.stale:
            response.headers["WWW-Authenticate"] = CHALLENGE
        return response

    async def load(words: Words, number: int, scope: Scope) -> AlertRecord:
        async with host.database.connect() as connection:
            siblings = await alerts.of_commitment(connection, number, scope)
            row = next((one for one in siblings if one.number == number), None)
            if row is None:
                raise not_found(f"there is no alert {number}", f"没有编号为 {number} 的预警或发牌")
            notified = await digests.notifications_of(connection, row.case_id, row.commitment, row.rung, row.occurrence)
            name_of = await words.people(connection, host.clock.now())
            state = await host.read(row.case_id)
            commitment = state.commitment(row.commitment) if state is not None else None
            version = commitment.rules_version if commitment is not None else 0
            rules = await rule_store.version(connection, version) or await rule_store.in_force(connection)
        return AlertRecord(words, row, siblings, state, rules, notified, name_of, host.clock.now())

    async def effect(record: AlertRecord) -> dict[str, str | None]:
        """When the commitment is due if the appeal is granted, and what then falls due next."""
        row, state = record.row, record.state
        if state is None:
            return {"due": None, "next": None}
        command = AppealDecided(
            commitment=row.commitment,
            rung=Rung(row.rung),
            occurrence=row.occurrence,
            by=PREVIEW,
            upheld=True,
            reason=PREVIEW,
            decided_at=record.now,
        )
        async with host.database.connect() as connection:
            rules = await rule_store.in_force(connection)
        found = after(rules, state, row.case_id, command, record.now)
        commitment = found.commitment(row.commitment) if isinstance(found, MonitoredCase) else None
        if commitment is None or commitment.due is None:
            return {"due": None, "next": None}
        coming = [(at, rung) for rung, at in commitment.pending_rungs() if at > record.now]
        following = None
        if coming:
            at, rung = min(coming)
            following = record.words.listed([record.words.rung(rung), record.moment(at)])
        return {"due": record.moment(commitment.due.committed_due), "next": following}


_ACTS = (Act.ACKNOWLEDGE_ALERT, Act.APPEAL_ALERT, Act.DECIDE_APPEAL)


def _may(record: AlertRecord, permit: Any) -> bool:
    row = record.row
    return permit is not None and permit.covers(row.owner, row.region, row.matter)


async def _fields(request: Request) -> dict[str, str]:
    return {name: values[0] for name, values in (await typed_form(request)).items()}
