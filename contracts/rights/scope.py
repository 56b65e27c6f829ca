"""Scopes: the part of the work for which somebody has a right, as areas of departments, regions and items. Pure."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from contracts.rights.table import RIGHTS, Act, Extent, Role


class Area(NamedTuple):
    """One area of a scope. None and an empty tuple stand for all."""

    department: str | None = None
    region: str | None = None
    """A code of administrative division or the beginning of one."""
    items: tuple[str, ...] = ()

    def covers(self, department: str, region: str, item: str) -> bool:
        """Whether the work of this department in this region about this item lies in the area."""
        return (
            self.department in (None, department)
            and region.startswith(self.region or "")
            and (not self.items or item in self.items)
        )

    def includes(self, other: "Area") -> bool:
        """Whether all of another area lies in this one."""
        return (
            self.department in (None, other.department)
            and (other.region or "").startswith(self.region or "")
            and (not self.items or (bool(other.items) and set(other.items) <= set(self.items)))
        )


EVERYWHERE = Area()

Scope = tuple[Area, ...]
"""Several areas. An empty one holds nothing: there is no right."""


class HeldPost(NamedTuple):
    """A post that somebody fills today, in their own name or for a person on leave."""

    role: Role
    area: Area
    instead_of: str | None = None
    """The person on leave."""


def scope_of(posts: Iterable[HeldPost], act: Act) -> Scope:
    """The scope in which these posts allow an act: areas without those that lie in another one."""
    areas = sorted(
        set(_areas(posts, act)), key=lambda area: (len(area.region or ""), area.department or "", area.items)
    )
    return tuple(area for area in areas if not any(other is not area and other.includes(area) for other in areas))


def _areas(posts: Iterable[HeldPost], act: Act) -> Iterator[Area]:
    for post in posts:
        match RIGHTS[post.role].get(act):
            case Extent.POST:
                yield post.area
            case Extent.REGION:
                yield Area(region=post.area.region)
            case Extent.ALL:
                yield EVERYWHERE
            case None:
                pass
