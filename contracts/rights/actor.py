"""The person who has done something, as it is recorded."""

from typing import NamedTuple


class Actor(NamedTuple):
    """A person, or a program, that has done something.

    ``on_behalf_of`` is the person on leave for whom a deputy has done it.
    """

    person: str
    on_behalf_of: str | None = None

    def shares_a_person_with(self, other: "Actor") -> bool:
        """Whether one person stands behind both, in their own name or as the one on leave."""
        return not {self.person, self.on_behalf_of}.isdisjoint({other.person, other.on_behalf_of} - {None})

    def __str__(self) -> str:
        return self.person if self.on_behalf_of is None else f"{self.person} ({self.on_behalf_of})"
