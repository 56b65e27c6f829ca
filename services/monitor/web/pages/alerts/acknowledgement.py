"""Several alerts are acknowledged at once: exactly these, listed once more, with one reason and a result for each."""

from collections.abc import Mapping, Sequence
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from pydantic import Field, ValidationError
from starlette.responses import RedirectResponse, Response

from contracts.messages.fields import Reason
from contracts.rights.table import Act
from contracts.values import Model
from services.monitor.core.names import NamesInForce
from services.monitor.core.state import MonitoredCase
from services.monitor.store import alerts, rule_store
from services.monitor.web.actions.alert_actions import acknowledge
from services.monitor.web.pages.acting import permit_of
from services.monitor.web.pages.alerts.shown import AlertMaker
from services.monitor.web.pages.words import Words
from services.runtime.http.pages.forms import field_faults, own_path, typed_form
from services.runtime.http.pages.languages import N_
from services.runtime.http.pages.preferences import preferences_of
from services.runtime.http.pages.reader import Reader, reader_may
from services.runtime.http.pages.rendering import Pages
from services.runtime.http.problems import not_found
from services.runtime.service import ServiceHost

PATH = "/alerts/acknowledge"

MAX_ALERTS = 100
"""Alerts that are acknowledged at once: a person has read each line of the page in between."""

REASON = N_("Reason")

OTHERWISE = "/overdue"
"""The page to which this one leads back if no other was given."""

MOST_DIGITS = 19


class Acknowledgement(Model):
    """All that the page asks for."""

    alert: Annotated[list[Annotated[int, Field(ge=1, lt=2**63)]], Field(min_length=1, max_length=MAX_ALERTS)]
    reason: Reason


def add(router: APIRouter, pages: Pages, host: ServiceHost[MonitoredCase], names: NamesInForce) -> None:
    """Add the pages."""
    actors = reader_may(host, Act.ACKNOWLEDGE_ALERT)

    @router.get(PATH)
    async def ticked_alerts(request: Request, reader: Annotated[Reader, actors]) -> Response:
        """The ticked alerts once more, or, with ``done``, what has become of them by the record."""
        query = request.query_params
        typed = {name: query.getlist(name) for name in ("alert", "done", "back")}
        if typed["done"]:
            return await render(request, reader, "acknowledged.html", _readable(typed["done"]), typed, {})
        return await again(request, reader, typed, {})

    @router.post(PATH)
    async def acknowledge_ticked(request: Request, reader: Annotated[Reader, actors]) -> Response:
        """Acknowledge them."""
        typed = await typed_form(request)
        try:
            wanted = Acknowledgement.model_validate(
                {"alert": typed.get("alert", []), **{name: typed[name][0] for name in ("reason",) if name in typed}}
            )
        except ValidationError as error:
            language = preferences_of(request).language
            labels = {"reason": pages.texts(language).gettext(REASON)}
            return await again(request, reader, typed, field_faults(error, labels, language))
        permit = permit_of(host, reader, Act.ACKNOWLEDGE_ALERT)
        assert permit is not None
        await acknowledge(host, permit, wanted.alert, wanted.reason)
        query = urlencode({"done": wanted.alert, "back": own_path(_one(typed, "back"), OTHERWISE)}, doseq=True)
        return RedirectResponse(f"{PATH}?{query}", 303)

    async def again(
        request: Request, reader: Reader, typed: Mapping[str, list[str]], faults: dict[str, str]
    ) -> Response:
        texts, ticked = pages.texts(preferences_of(request).language), typed.get("alert", [])
        wrong = faults.get("alert")
        if not ticked:
            wrong = texts.gettext(N_("Tick at least one alert"))
        elif len(ticked) > MAX_ALERTS:
            wrong = texts.gettext(N_("Tick at most %(number)s alerts at once")) % {"number": MAX_ALERTS}
        others = {name: text for name, text in faults.items() if name != "alert"}
        numbers = _readable([*ticked, *typed.get("listed", [])])
        found = {"alerts": wrong, **others} if wrong is not None else others
        return await render(request, reader, "acknowledge.html", numbers, typed, found)

    async def render(
        request: Request,
        reader: Reader,
        template: str,
        numbers: Sequence[int],
        typed: Mapping[str, list[str]],
        faults: dict[str, str],
    ) -> Response:
        language = preferences_of(request).language
        words, now = Words(language, pages.texts(language), names()), host.clock.now()
        async with host.database.connect() as connection:
            rows = await alerts.with_numbers(connection, numbers, reader.scope)
            maker = AlertMaker(words, await rule_store.in_force(connection), now, await words.people(connection, now))
        if numbers and not rows:
            raise not_found("there are no such alerts", "没有这些预警或发牌")
        shown = maker.all(rows)
        own = {row.number for row in rows if row.acknowledged_by == reader.name}
        return pages.render(
            request,
            template,
            422 if faults else 200,
            shown=shown,
            mine=[one for one in shown if one.number in own],
            others=[one for one in shown if one.number not in own],
            records={row.number: row for row in rows},
            ticked=set(_readable(typed.get("alert", []))),
            reason=_one(typed, "reason"),
            back=own_path(_one(typed, "back"), OTHERWISE),
            problems=faults,
        )


def _one(typed: Mapping[str, list[str]], name: str) -> str:
    return (typed.get(name) or [""])[0]


def _readable(texts: Sequence[str]) -> list[int]:
    """The numbers among these texts, each once."""
    found = [int(one) for one in texts if one.isascii() and one.isdigit() and len(one) < MOST_DIGITS]
    return list(dict.fromkeys(found))[:MAX_ALERTS]
