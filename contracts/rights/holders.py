"""The posts that somebody fills on a day. Pure."""

from collections.abc import Mapping, Sequence
from datetime import date

from contracts.rights.posts import Leave, Post, PostName, leave_by_person, present
from contracts.rights.scope import Area, HeldPost
from contracts.rights.table import Role
from contracts.values import Value


class Holders(Value):
    """The posts of a directory, without the names and addresses of people: what every service needs to know of it."""

    posts: tuple[Post, ...]
    leave: tuple[Leave, ...] = ()
    roles: Mapping[PostName, Role]
    powers_apart: bool = True

    def held_by(self, person: str, day: date) -> Sequence[HeldPost]:
        """The posts that a person fills on that day: their own, also during their leave, and those of people on leave
        for whom they deputise."""
        leave = leave_by_person(self.leave)
        return tuple(
            HeldPost(
                self.roles[post.role],
                Area(post.department, post.region, post.items),
                None if post.person == person else post.person,
            )
            for post in self.posts
            if post.held_on(day) and person in (post.person, present(post, day, leave))
        )
