"""The versioned documents of intake: the almanac by which it calculates due dates.

It is a part of monitor's rules, and monitor publishes it: the due date in the answer to an application agrees with the
deadline that monitor holds.
"""

from functools import partial

from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.bilingual import both
from contracts.core import Core
from contracts.envelope import Document
from contracts.messages.documents import AlmanacPublished
from contracts.working_time.almanac import Almanac, RegionalRules, almanac
from services.intake.core.handle import handle
from services.intake.core.state import Case
from services.runtime.store import documents
from services.runtime.store.documents import VersionedDocument


def core_for(number: int, content: Almanac) -> Core[Case]:
    """The core that calculates by this almanac. Raises `ValueError` for one that it cannot apply."""
    return partial(handle, RegionalRules(content))


ALMANAC = VersionedDocument("almanac", Almanac, shipped=almanac, core_for=core_for)


async def keep(connection: AsyncConnection, document: Document) -> None:
    """Put the almanac in force that monitor has published."""
    if isinstance(document, AlmanacPublished):
        await documents.put(connection, ALMANAC, document.almanac, _RECEIVED)


_RECEIVED = both("received from monitor", "由 monitor 下发")
