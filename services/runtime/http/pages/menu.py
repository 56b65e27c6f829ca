"""The menu of all pages: a line for each place, shown to those who may do its act."""

from typing import NamedTuple

from contracts.rights.table import Act
from services.runtime.http.pages.languages import N_
from services.runtime.http.pages.reader import Reader


class Place(NamedTuple):
    """A place of the menu. Every path that begins with ``path``, or with one of the others, belongs to it."""

    path: str
    text: str
    act: Act
    others: tuple[str, ...] = ()

    def holds(self, path: str) -> bool:
        """Whether a page lies here."""
        return any(path == one or path.startswith(one + "/") for one in (self.path, *self.others))


MENU = (
    Place("/board", N_("Board of departments"), Act.READ_BOARD),
    Place("/bulletin", N_("Monthly bulletin"), Act.READ_BOARD),
    Place("/overdue", N_("Due and overdue"), Act.READ_TIME, ("/due", "/time")),
    Place("/alerts", N_("Alerts and appeals"), Act.READ_ALERT),
    Place("/proposals", N_("Proposals"), Act.CHANGE_RULES, ("/rules", "/directory")),
    Place("/people", N_("People"), Act.MANAGE_PEOPLE),
    Place("/ops", N_("Operations"), Act.READ_STATE),
    Place("/record", N_("Record of access"), Act.READ_RECORD),
    Place("/journal", N_("Journal"), Act.READ_JOURNAL),
)
"""All places, in their order."""

HOME, LOG_IN, LOG_OUT, ACCOUNT = "/", "/session/login", "/session/logout", "/session/account"


def menu_of(reader: Reader) -> list[Place]:
    """What this reader may see of the menu."""
    return [place for place in MENU if place.act in reader.acts]
