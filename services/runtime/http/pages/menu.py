"""The menu of all pages: a line for each place, shown to those who may do its act."""

from typing import NamedTuple

from contracts.rights.table import Act
from services.runtime.http.pages.languages import N_
from services.runtime.http.pages.reader import Reader


class Place(NamedTuple):
    """A place of the menu. Every path that begins with ``path`` belongs to it."""

    path: str
    text: str
    act: Act

    def holds(self, path: str) -> bool:
        """Whether a page lies here."""
        return path == self.path or path.startswith(self.path + "/")


MENU = (Place("/board", N_("Board of departments"), Act.READ_BOARD),)
"""All places, in their order."""

HOME, LOG_IN, LOG_OUT = "/", "/session/login", "/session/logout"


def menu_of(reader: Reader) -> list[Place]:
    """What this reader may see of the menu."""
    return [place for place in MENU if place.act in reader.acts]
