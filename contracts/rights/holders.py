"""The posts that somebody fills on a day. Pure."""

from collections.abc import Sequence
from datetime import date

from contracts.messages.documents import PostsPublished, PublishedPost
from contracts.rights.posts import leave_by_person, present
from contracts.rights.scope import Area, HeldPost
from contracts.rights.table import RIGHTS, Role


class Holders:
    """Finds the posts of a person among all posts of a directory."""

    def __init__(self, published: PostsPublished) -> None:
        self.powers_apart = published.powers_apart
        self.four_eyes = published.four_eyes
        """Whether changes of rules, directory and calendar need a second person."""
        self._leave = leave_by_person(published.leave)
        self._posts: dict[str, list[PublishedPost]] = {}
        """The posts that a person holds or is a deputy for."""
        for post in published.posts:
            if post.role in RIGHTS:
                for person in {post.person, post.deputy} - {None}:
                    self._posts.setdefault(str(person), []).append(post)

    def held_by(self, person: str, day: date) -> Sequence[HeldPost]:
        """The posts that a person fills on that day: their own, also during their leave, and those of people on leave
        for whom they deputise."""
        return tuple(
            HeldPost(
                Role(post.role),
                Area(post.department, post.region, post.items),
                None if post.person == person else post.person,
            )
            for post in self._posts.get(person, ())
            if post.held_on(day) and person in (post.person, present(post, day, self._leave))
        )
