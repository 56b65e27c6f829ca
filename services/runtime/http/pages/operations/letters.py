"""The pages of a service's dead letters: the list, and several settled at once with one reason."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from pydantic import ConfigDict, Field, ValidationError
from starlette.responses import RedirectResponse, Response

from contracts.messages.fields import Reason
from contracts.rights.table import Act
from contracts.values import Model
from services.runtime.clock import machine_now
from services.runtime.dead_letters import settling
from services.runtime.dead_letters.settling import Settler, Wanted, obstacle
from services.runtime.http.operating.letters import MAX_NUMBERS, LettersQuery, SettledLetters, Status, list_letters
from services.runtime.http.pages.forms import field_faults, typed_form
from services.runtime.http.pages.languages import N_
from services.runtime.http.pages.operations.settled import ACTS, Confirmation, reason_label
from services.runtime.http.pages.operations.shown import Shown
from services.runtime.http.pages.preferences import preferences_of
from services.runtime.http.pages.reader import Reader, reader_may
from services.runtime.http.pages.rendering import Pages
from services.runtime.http.problems import not_found
from services.runtime.security.access_record import count_rows, note_query
from services.runtime.service import Service, ServiceHost
from services.runtime.store import dead_letters
from services.runtime.store.dead_letters import ParkedLetter

STATUSES: Mapping[Status, str] = {
    Status.PARKED: N_("To settle"),
    Status.REPLAYED: N_("Replayed"),
    Status.CORRECTED: N_("Corrected"),
    Status.DROPPED: N_("Dropped"),
    Status.ALL: N_("All"),
}
"""Each status, as a reader chooses it."""

LABELS = {"case": N_("Case"), "status": N_("Status")}

_MOST_DIGITS = 19


class Settlement(Model):
    """The form that settles several letters at once."""

    model_config = ConfigDict(extra="ignore")

    act: Annotated[str, Field(pattern="^(replay|drop)$")]
    letter: Annotated[list[Annotated[int, Field(ge=1, lt=2**63)]], Field(min_length=1, max_length=MAX_NUMBERS)]
    reason: Reason


def add(router: APIRouter, pages: Pages, host: ServiceHost[Any], service: Service[Any]) -> None:
    """Add the pages."""
    path = f"/ops/{service.name}/letters"
    settle_path = f"{path}/settle"
    settlers = reader_may(host, Act.SETTLE_DEAD_LETTER)

    @router.get(path)
    async def letters(request: Request, reader: Annotated[Reader, reader_may(host, Act.READ_STATE)]) -> Response:
        """The letters, oldest first, without their content."""
        language = preferences_of(request).language
        typed, texts = dict(request.query_params), pages.texts(language)
        faults: dict[str, str] = {}
        try:
            wanted = LettersQuery.model_validate(typed)
        except ValidationError as error:
            labels = {name: texts.gettext(text) for name, text in LABELS.items()}
            wanted, faults = LettersQuery(), field_faults(error, labels, language)
        found = [] if faults else await list_letters(host.database, wanted)
        rows = found[: wanted.limit]
        note_query(wanted)
        count_rows(len(rows))
        kept = {name: text for name, text in typed.items() if name in ("status", "case", "limit")}
        following = urlencode(kept | {"after": str(rows[-1].number)}) if len(found) > wanted.limit else None
        return pages.render(
            request,
            "shared/operations/letters.html",
            422 if faults else 200,
            service=service.name,
            rows=rows,
            typed=typed,
            wanted=wanted,
            statuses=[(one.value, texts.gettext(text)) for one, text in STATUSES.items()],
            may_settle=Act.SETTLE_DEAD_LETTER in reader.acts,
            may_read=Act.READ_DEAD_LETTER in reader.acts,
            next=f"{path}?{following}" if following else None,
            start=f"{path}?{urlencode(kept)}" if wanted.after else None,
            shown=Shown(language, texts, machine_now()),
            problems=faults,
        )

    @router.get(settle_path)
    async def settle_ticked(request: Request, reader: Annotated[Reader, settlers]) -> Response:
        """The ticked letters once more, and one reason; with ``done``, what has become of them by the record."""
        query = request.query_params
        if done := _numbers(query.getlist("done")):
            return await render(request, reader, "settled.html", done, {}, {})
        return await again(request, reader, {name: query.getlist(name) for name in ("act", "letter")}, {})

    @router.post(settle_path)
    async def settle(request: Request, reader: Annotated[Reader, settlers]) -> Response:
        """Settle them. Where the login is too old, the page comes back with all that was typed."""
        typed = await typed_form(request)
        first = {name: typed[name][0] for name in ("act", "reason") if name in typed}
        try:
            wanted = Settlement.model_validate({"letter": typed.get("letter", []), **first})
        except ValidationError as error:
            language = preferences_of(request).language
            faults = field_faults(error, reason_label(pages, language), language)
            return await again(request, reader, typed, faults)
        if not reader.is_fresh:
            return await again(request, reader, typed, {}, stale=True)
        settler = Settler(host.access.permit(reader.name or "", Act.SETTLE_DEAD_LETTER).actor)
        work = settling.replay if wanted.act == "replay" else settling.drop
        settled = await work(host.database, Wanted(wanted.letter), settler, wanted.reason)
        note_query(SettledLetters(letters=", ".join(map(str, settled.numbers))))
        return RedirectResponse(f"{settle_path}?{urlencode({'done': wanted.letter}, doseq=True)}", 303)

    async def again(
        request: Request,
        reader: Reader,
        typed: Mapping[str, Sequence[str]],
        faults: dict[str, str],
        *,
        stale: bool = False,
    ) -> Response:
        texts = pages.texts(preferences_of(request).language)
        numbers = _numbers([*typed.get("letter", ()), *typed.get("listed", ())])
        if not typed.get("letter"):
            faults = {"letter": texts.gettext(N_("Tick at least one letter")), **faults}
        return await render(request, reader, "settle.html", numbers, typed, faults, stale=stale)

    async def render(
        request: Request,
        reader: Reader,
        template: str,
        numbers: Sequence[int],
        typed: Mapping[str, Sequence[str]],
        faults: dict[str, str],
        *,
        stale: bool = False,
    ) -> Response:
        language = preferences_of(request).language
        rows = [row for number in numbers[:MAX_NUMBERS] for row in await _one(number)]
        if numbers and not rows:
            raise not_found("there are no such letters", "没有这些死信")
        act = (list(typed.get("act", ())) or [""])[0]
        act = act if act in ACTS else "replay"
        confirmation = Confirmation(
            reader.is_fresh, stale, bool(typed.get("reason")), f"{request.url.path}?{request.url.query}"
        )
        response = pages.render(
            request,
            f"shared/operations/{template}",
            401 if stale else 422 if faults else 200,
            service=service.name,
            rows=rows,
            act=act,
            obstacles={row.number: why for row in rows if (why := obstacle(row)) is not None},
            ticked=set(_numbers(typed.get("letter", ()))),
            reason=(list(typed.get("reason", ())) or [""])[0],
            confirmation=confirmation,
            shown=Shown(language, pages.texts(language), machine_now()),
            problems=faults,
        )
        return confirmation.answered(response)

    async def _one(number: int) -> list[ParkedLetter]:
        return await dead_letters.letters(host.database, status=None, number=number)


def _numbers(texts: Sequence[str]) -> list[int]:
    """The numbers among these texts, each once."""
    found = (int(one) for one in texts if one.isascii() and one.isdigit() and len(one) < _MOST_DIGITS)
    return list(dict.fromkeys(number for number in found if number))
