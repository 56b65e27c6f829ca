"""The page of one dead letter: what went wrong, what does it hurt, and what do I do about it?"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from pydantic import ConfigDict, Field, ValidationError
from starlette.responses import RedirectResponse, Response

from contracts.bilingual import BilingualError
from contracts.messages.fields import Reason
from contracts.rights.actor import Actor
from contracts.rights.table import Act
from contracts.values import Model
from services.runtime.clock import machine_now
from services.runtime.dead_letters import settling
from services.runtime.dead_letters.content import lines_of
from services.runtime.dead_letters.corrections import Correction, NotCorrectable, parse_edit
from services.runtime.dead_letters.settling import Settler, Wanted, obstacle
from services.runtime.http.operating.letters import Number, read_letter
from services.runtime.http.pages.forms import field_faults, typed_form
from services.runtime.http.pages.operations.settled import Confirmation, reason_label
from services.runtime.http.pages.operations.shown import Shown
from services.runtime.http.pages.preferences import preferences_of
from services.runtime.http.pages.reader import Reader, reader_may
from services.runtime.http.pages.rendering import Pages
from services.runtime.service import Service, ServiceHost

Done = Literal["replay", "drop", "correction"]


class SettleForm(Model):
    """The form of each act."""

    model_config = ConfigDict(extra="ignore")

    reason: Reason


class CorrectForm(SettleForm):
    """Corrected fields, a line each: a path, an equals sign, and the value."""

    fields: Annotated[str, Field(min_length=1, max_length=20_000)]


@dataclass(frozen=True)
class Typed:
    """The state of the forms of the page: which one was sent, what was typed, and what is wrong with it."""

    fields: Mapping[str, str]
    problems: Mapping[str, str]
    act: str = ""
    stale: bool = False
    status: int = 200


NOTHING_TYPED = Typed({}, {})


def add(router: APIRouter, pages: Pages, host: ServiceHost[Any], service: Service[Any]) -> None:
    """Add the page and its forms."""
    path = f"/ops/{service.name}/letters/{{number}}"
    readers, settlers = reader_may(host, Act.READ_DEAD_LETTER), reader_may(host, Act.SETTLE_DEAD_LETTER)

    @router.get(path)
    async def letter(
        number: Number, request: Request, reader: Annotated[Reader, readers], raw: bool = False
    ) -> Response:
        """A letter, its content masked unless ``raw`` is asked for; each reading is on record."""
        return await show(request, reader, number, NOTHING_TYPED, raw=raw)

    @router.post(path + "/replay")
    async def replay_letter(number: Number, request: Request, reader: Annotated[Reader, settlers]) -> Response:
        """Publish it on its topic again."""
        return await settle(request, reader, number, "replay", SettleForm)

    @router.post(path + "/drop")
    async def drop_letter(number: Number, request: Request, reader: Annotated[Reader, settlers]) -> Response:
        """Drop it. It remains on record."""
        return await settle(request, reader, number, "drop", SettleForm)

    @router.post(path + "/correction")
    async def correct_letter(number: Number, request: Request, reader: Annotated[Reader, settlers]) -> Response:
        """Publish a corrected record in its place."""
        return await settle(request, reader, number, "correction", CorrectForm)

    async def settle(request: Request, reader: Reader, number: int, act: Done, form: type[SettleForm]) -> Response:
        """Where the login is too old, the page comes back with all that was typed."""
        language = preferences_of(request).language
        fields = {name: values[0] for name, values in (await typed_form(request)).items()}
        try:
            wanted = form.model_validate(fields)
        except ValidationError as error:
            faults = field_faults(error, reason_label(pages, language), language)
            return await show(request, reader, number, Typed(fields, faults, act, status=422))
        if not reader.is_fresh:
            return await show(request, reader, number, Typed(fields, {}, act, stale=True, status=401))
        actor = host.access.permit(reader.name or "", Act.SETTLE_DEAD_LETTER).actor
        await read_letter(host.database, number)
        try:
            await _settle(number, act, wanted, actor)
        except BilingualError as refused:
            text = refused.zh if language == "zh" else refused.en
            name = "fields" if act == "correction" else ""
            return await show(request, reader, number, Typed(fields, {name: f"{number}: {text}"}, act, status=409))
        return RedirectResponse(f"/ops/{service.name}/letters/{number}?done={act}", 303)

    async def _settle(number: int, act: Done, wanted: SettleForm, actor: Actor) -> None:
        """Raises `BilingualError` where the letter stays as it is."""
        if isinstance(wanted, CorrectForm):
            edits = [parse_edit(line.strip()) for line in wanted.fields.splitlines() if line.strip()]
            correction = Correction(edits, None, wanted.reason, actor)
            await settling.correct(host.database, number, correction, service.correct_reply)
            return
        work = settling.replay if act == "replay" else settling.drop
        settled = await work(host.database, Wanted([number]), Settler(actor), wanted.reason)
        for _, why in settled.refused:
            raise NotCorrectable(*why)

    async def show(request: Request, reader: Reader, number: int, typed: Typed, *, raw: bool = False) -> Response:
        language = preferences_of(request).language
        found = await read_letter(host.database, number)
        key, value = lines_of(found, raw=raw)
        address = f"/ops/{service.name}/letters/{number}"
        confirmation = Confirmation(reader.is_fresh, typed.stale, bool(typed.fields), address)
        response = pages.render(
            request,
            "shared/operations/letter.html",
            typed.status,
            service=service.name,
            letter=found,
            key=key,
            value=value,
            raw=raw,
            obstacle=obstacle(found),
            may_settle=Act.SETTLE_DEAD_LETTER in reader.acts,
            confirmation=confirmation,
            done=request.query_params.get("done") if request.method == "GET" else None,
            act=typed.act,
            typed=typed.fields,
            shown=Shown(language, pages.texts(language), machine_now()),
            problems=typed.problems,
        )
        return confirmation.answered(response)
