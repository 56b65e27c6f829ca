"""Counts the figures of the board anew."""

from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.rights.table import Act
from services.monitor.store.board import counting
from services.operator.databases import on_service
from services.operator.login.actor import calling, recorded
from services.operator.options import DatabaseOptions
from services.operator.output import print_result


def recount_figures(options: DatabaseOptions) -> None:
    """Count all figures anew, and print how many rows were different."""
    caller = calling(options, "monitor", Act.RECOUNT_FIGURES)

    async def recount(engine: AsyncEngine) -> int:
        async with engine.begin() as connection:
            return await recorded(counting.recount, lambda rows: caller.entry(rows=rows))(connection)

    different = on_service("monitor", options, recount)
    print_result(f"{different} rows of figures were different", f"有 {different} 行数字不同，已更正")
