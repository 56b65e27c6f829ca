"""The options of a limit, which ``due`` and ``explain`` have in common. Cheap to import."""

from collections.abc import Callable
from functools import wraps
from inspect import Signature, signature
from typing import Annotated, Any, Literal, NamedTuple

import typer

from services.operator.options import CALENDARS, Calendars
from services.operator.output import wrong_option


def region_code(value: str | None) -> str | None:
    """Check that an option is the code of a region that may have notices."""
    from pydantic import TypeAdapter, ValidationError

    from contracts.working_time.notices import Place

    try:
        if value is not None:
            TypeAdapter(Place).validate_python(value)
    except ValidationError:
        raise wrong_option(
            f"{value!r}: write CN, a province such as CN-45, or a city or county such as CN-4501",
            "请填写 CN、省级区域（例如 CN-45），或市、县（例如 CN-4501）",
        ) from None
    return value


class LimitOptions(NamedTuple):
    """A limit as it was typed, and how its time is counted."""

    start: Annotated[
        str | None, typer.Option("--from", help="Moment at which the limit began, local time: 2026-09-28T10:00.")
    ] = None
    days: Annotated[int | None, typer.Option(min=0, max=3650, help="Limit in working days; 0 means on the spot.")] = (
        None
    )
    calendar_days: Annotated[int | None, typer.Option(min=1, max=3650, help="Limit in calendar days.")] = None
    months: Annotated[int | None, typer.Option(min=1, max=120, help="Limit in months.")] = None
    minutes: Annotated[
        int | None, typer.Option(min=1, max=60 * 24 * 3650, help="Limit in minutes of the hours of business.")
    ] = None
    suspend: Annotated[
        list[str] | None,
        typer.Option(help="Time that does not count, FROM..TO; it counts again at TO. FROM.. if it still lasts."),
    ] = None
    extend: Annotated[
        int | None, typer.Option(min=1, help="Days by which the limit was extended, in its own unit.")
    ] = None
    restart: Annotated[str | None, typer.Option(help="Moment at which the limit began anew.")] = None
    region: Annotated[
        str,
        typer.Option(
            callback=region_code, help="CN, or a province, city or county with notices of its own: CN-45, CN-4501."
        ),
    ] = "CN"
    rule: Annotated[
        Literal["day", "second"],
        typer.Option(help="Count whole days up to the close of business (day), or working time (second)."),
    ] = "day"
    hours: Annotated[str, typer.Option(help="Hours of business: 09:00-12:00,13:30-17:30.")] = "09:00-17:30"
    zone: Annotated[str, typer.Option(help="Time zone of the place, a name of the IANA database.")] = "Asia/Shanghai"
    calendars: Calendars = CALENDARS
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False


def with_limit(command: Callable[..., None]) -> Callable[..., None]:
    """A command with the options of a limit before its own. It takes them as its first argument."""
    parameters = [*signature(LimitOptions).parameters.values(), *list(signature(command).parameters.values())[1:]]

    @wraps(command)
    def flat(**values: Any) -> None:
        command(LimitOptions(**{name: values.pop(name) for name in LimitOptions._fields}), **values)

    flat.__dict__["__signature__"] = Signature(parameters)
    flat.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return flat
