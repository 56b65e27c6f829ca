"""Lots: what is given to a department together. One part that it refuses must not hold the others back."""

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

P = TypeVar("P")


class NotDivided(Exception):
    """The department refused the lot with this part, and there was no time left to find the bad one in it."""

    def __init__(self) -> None:
        super().__init__("the department refused a lot with this task in it; it is submitted again")


async def put_lot(
    parts: Sequence[P],
    put: Callable[[Sequence[P]], Awaitable[None]],
    is_refusal: Callable[[Exception], bool],
    until: float,
) -> list[tuple[P, Exception]]:
    """Put a lot; if it is refused, divide it until what is refused stands alone. Returns that, with the errors.

    From machine time ``until`` on, a refused lot is not divided further: its parts have the error `NotDivided`.
    Raises any error of ``put`` that is no refusal.
    """
    refused: list[tuple[P, Exception]] = []
    lots = [parts] if parts else []
    while lots:
        lot = lots.pop()
        try:
            await put(lot)
        except Exception as error:
            if not is_refusal(error):
                raise
            if len(lot) == 1:
                refused.append((lot[0], error))
            elif time.monotonic() >= until:
                refused += [(part, NotDivided()) for part in lot]
            else:
                middle = len(lot) // 2
                lots += [lot[middle:], lot[:middle]]
    return refused
