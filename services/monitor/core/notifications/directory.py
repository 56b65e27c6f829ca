"""Finds the people to notify of an alert, by a directory file. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime

from contracts.messages.alerts import Rung
from contracts.rights.posts import Post, PostName, leave_by_person, present
from contracts.rights.table import Role
from contracts.zone import CHINA
from services.monitor.core.notifications.directory_file import SUPERVISOR, DirectoryFile
from services.monitor.core.notifications.people import Person


class Directory:
    """Finds the people to notify. ``owner``, ``region`` and ``item`` are those of the alert, ``at`` the moment."""

    def __init__(self, content: DirectoryFile) -> None:
        self.content = content
        self._people = {person.id: person for person in content.people}
        self._sharing = _sharing(content.people)
        self._leave = leave_by_person(content.leave)
        self._posts: dict[tuple[PostName, str, str | None], list[Post]] = {}
        self._held: dict[str, list[Post]] = {}
        for post in content.posts:
            self._held.setdefault(post.person, []).append(post)
            self._posts.setdefault((post.role, post.region or "", post.department), []).append(post)

    def post_of(self, id: str, day: date, department: str | None = None) -> Post | None:
        """The post by which a person is known: one that exists on this day, and of this department, if there is any."""
        posts = self._held.get(id, ())
        return max(posts, key=lambda post: (post.held_on(day), post.department == department), default=None)

    def holders(self, role: Role, day: date) -> tuple[str, ...]:
        """The people who hold a post with the rights of this role on that day, by id."""
        names = {name for name, given in self.content.roles.items() if given is role}
        return tuple(dict.fromkeys(one.person for one in self.content.posts if one.role in names and one.held_on(day)))

    def person(self, id: str) -> Person | None:
        """The person with this id, if the directory has them."""
        return self._people.get(id)

    def sharing(self, id: str) -> frozenset[str]:
        """This person, and all who share an address with them, or with one of those."""
        return self._sharing.get(id, frozenset({id}))

    def levels(self, rung: Rung) -> int:
        """How many times a rung is reported while it is unattended: level 0 first, up to the highest role."""
        return len(self.content.escalation) - self._highest_role(rung)

    def unacknowledged_hours(self, rung: Rung) -> float:
        """After how many working hours an unacknowledged rung escalates by one level."""
        return self.content.unacknowledged_hours[rung]

    def recipients(
        self, rung: Rung, level: int, owner: str, region: str, item: str, at: datetime
    ) -> tuple[Person, ...]:
        """The people notified of a rung at this level: at least one, and none beyond the highest level."""
        if level >= self.levels(rung):
            return ()
        if level == 0:
            roles = self.content.first_recipients[rung]
        else:
            roles = (self.content.escalation[self._highest_role(rung) + level],)
        return self._people_in(roles, owner, region, item, at)

    def supervisors(self, owner: str, region: str, item: str, at: datetime) -> tuple[Person, ...]:
        """The people notified of an appeal: at least one."""
        return self._people_in((SUPERVISOR,), owner, region, item, at)

    def holds(self, person: str, role: PostName, owner: str, region: str, item: str, at: datetime) -> bool:
        """Whether a person holds a post of this role for the commitment, or fills it for a holder on leave."""
        day = _day(at)
        return any(
            post.held_on(day) and person in (post.person, self._present(post, day))
            for post in self._posts_for(role, owner, region, item)
        )

    def holds_at_least(self, person: str, role: PostName, owner: str, region: str, item: str, at: datetime) -> bool:
        """Whether a person holds a post of this role or a higher one. False if the directory lacks the role."""
        escalation = self.content.escalation
        roles = escalation[escalation.index(role) :] if role in escalation else ()
        return any(self.holds(person, one, owner, region, item, at) for one in roles)

    def _highest_role(self, rung: Rung) -> int:
        """Index in ``escalation`` of the highest role among the first recipients."""
        return max(self.content.escalation.index(role) for role in self.content.first_recipients[rung])

    def _people_in(
        self, roles: Sequence[PostName], owner: str, region: str, item: str, at: datetime
    ) -> tuple[Person, ...]:
        """The people present in these roles; if there are none, those in the next higher role that has some."""
        escalation = self.content.escalation
        lowest = min(escalation.index(role) for role in roles)
        for wanted in (roles, *((role,) for role in escalation[lowest:])):
            found = [person for role in wanted for person in self._present_in(role, owner, region, item, _day(at))]
            if found:
                return tuple(self._people[person] for person in dict.fromkeys(found))
        raise AssertionError("a directory whose highest role is empty on some day is refused")

    def _present_in(self, role: PostName, owner: str, region: str, item: str, day: date) -> list[str]:
        """The people who fill the most specific posts of this role. Posts without a person present do not count."""
        posts = self._posts_for(role, owner, region, item)
        filled = [(post.specificity, person) for post in posts if (person := self._present(post, day)) is not None]
        highest = max((specificity for specificity, _ in filled), default=None)
        return [person for specificity, person in filled if specificity == highest]

    def _present(self, post: Post, day: date) -> str | None:
        return present(post, day, self._leave)

    def _posts_for(self, role: PostName, owner: str, region: str, item: str) -> Iterator[Post]:
        """The posts of this role that cover the commitment."""
        for length in range(len(region) + 1):
            for department in (None, owner):
                for post in self._posts.get((role, region[:length], department), ()):
                    if not post.items or item in post.items:
                        yield post


def same_address(address: str) -> str:
    """The form in which same addresses are equal: in a mail address upper and lower case make no difference."""
    return address.lower() if "@" in address else address


def _sharing(people: Iterable[Person]) -> dict[str, frozenset[str]]:
    """For each person who shares an address, all who are reached from them by shared addresses."""
    by_address: dict[str, set[str]] = {}
    for person in people:
        for address in map(same_address, person.addresses):
            by_address.setdefault(address, set()).add(person.id)
    groups: dict[str, set[str]] = {}
    for sharers in (sharers for sharers in by_address.values() if len(sharers) > 1):
        group = sharers.union(*(groups.get(one, ()) for one in sharers))
        groups |= dict.fromkeys(group, group)
    frozen = {id(group): frozenset(group) for group in groups.values()}
    return {person: frozen[id(group)] for person, group in groups.items()}


def _day(at: datetime) -> date:
    return at.astimezone(CHINA).date()
