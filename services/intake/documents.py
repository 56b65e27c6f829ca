"""The versioned documents of intake: the almanac by which it calculates due dates.

Operators apply the almanac together with monitor's rules, of which it is a part: the due date in the answer to an
application agrees with the deadline that monitor holds.
"""

from functools import partial

from contracts.core import Core
from contracts.working_time.almanac import Almanac, RegionalRules, almanac
from services.intake.core.handle import handle
from services.intake.core.state import Case
from services.runtime.store.documents import VersionedDocument


def core_for(number: int, content: Almanac) -> Core[Case]:
    """The core that calculates by this almanac. Raises `ValueError` for one that it cannot apply."""
    return partial(handle, RegionalRules(content))


ALMANAC = VersionedDocument("almanac", Almanac, shipped=almanac, core_for=core_for)
