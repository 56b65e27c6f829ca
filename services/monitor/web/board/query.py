"""Shared by the endpoints of the board: filters, periods, and the present day."""

from datetime import date, datetime
from typing import Annotated

from pydantic import AfterValidator, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.messages.commitments import Kind
from services.monitor.core.board.periods import Period, month_of, parse_period
from services.monitor.core.rules import Rules
from services.monitor.store import rule_store
from services.monitor.store.lists.filters import CommitmentFilter

REGION_DIGITS = 6


def _is_period(text: str) -> str:
    parse_period(text)
    return text


class BoardFilter(CommitmentFilter):
    """Selects what is counted. All given filters must fit."""

    kind: Kind = Field(
        Kind.CASE, description="`case` counts whole cases by their lead department, `step` the steps by their own."
    )
    period: Annotated[str, Field(max_length=40), AfterValidator(_is_period)] | None = Field(
        None,
        description="`2026-04`, `2026-Q1`, `2026` or `2026-04-03..2026-05-06`; the present month if it is omitted.",
    )

    def period_at(self, today: date) -> Period:
        """The period that is asked for."""
        return parse_period(self.period) if self.period is not None else month_of(today)

    def filters(self) -> dict[str, str]:
        """The given filters, by name."""
        return self.given()


async def local_now(connection: AsyncConnection, now: datetime, region: str | None) -> datetime:
    """The time at the place: of a region, or at the place that the rules have for all others."""
    return at_place(await rule_store.in_force(connection), now, region)


def at_place(rules: Rules, now: datetime, region: str | None) -> datetime:
    """The time at the place, by these rules."""
    place = region if region is not None and len(region) == REGION_DIGITS else ""
    return rules.counting_rules(place).hours.local(now)
