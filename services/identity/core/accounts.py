"""The accounts of people: who has one by the directory, how it stands, and how many people an enrolment takes."""

from datetime import date, datetime
from enum import StrEnum, unique
from typing import NamedTuple

from contracts.messages.documents import PostsPublished
from contracts.rights.actor import Actor
from contracts.rights.table import POWERS, Power
from services.identity.core.throttle import ACCOUNT_FREE, Attempts, opens_at

_PEOPLES_ROLES = frozenset(role.value for role, power in POWERS.items() if power is not Power.SERVE)
"""Programs have no account: they have a secret in the file of programs."""


@unique
class State(StrEnum):
    """How an account stands. It lets its person in while it is `ACTIVE`."""

    NOT_ENROLLED = "not-enrolled"
    """There is neither a password nor a passkey yet."""
    ACTIVE = "active"
    LOCKED = "locked"
    """Too many wrong passwords: for some minutes only a passkey, or a browser that is known, lets the person in."""
    DISABLED = "disabled"
    """By a person, until a person enables it."""
    LEFT = "left"
    """The person has no post in the directory in force, until it has one again."""


class Standing(NamedTuple):
    """All that the state of an account follows from."""

    is_enrolled: bool
    disabled_at: datetime | None = None
    left_at: datetime | None = None
    attempts: Attempts | None = None
    """The wrong passwords of late."""


def state_of(standing: Standing, now: datetime) -> State:
    """The state of an account."""
    if standing.disabled_at is not None:
        return State.DISABLED
    if standing.left_at is not None:
        return State.LEFT
    if not standing.is_enrolled:
        return State.NOT_ENROLLED
    return State.ACTIVE if locked_until(standing.attempts, now) is None else State.LOCKED


def locked_until(attempts: Attempts | None, now: datetime) -> datetime | None:
    """From when on the password is examined again; None if it is now."""
    opens = None if attempts is None else opens_at(attempts, ACCOUNT_FREE)
    return opens if opens is not None and opens > now else None


def people_of(published: PostsPublished, day: date) -> frozenset[str]:
    """The people of a directory: they hold a post that has not ended before that day, or are a deputy for one."""
    return frozenset(
        person
        for post in published.posts
        if post.role in _PEOPLES_ROLES and (post.until is None or day <= post.until)
        for person in (post.person, post.deputy)
        if person is not None
    )


class Request(NamedTuple):
    """Somebody has asked for the enrolment of a person, and another one has to give the code out."""

    actor: Actor
    reason: str
    asked_at: datetime


def gives_code(asked: Request | None, actor: Actor | None, *, four_eyes: bool) -> bool:
    """Whether this person gets the code of enrolment now; else it is only asked for.

    The code lets anybody in as the person whom it enrols. So under four eyes nobody gets one alone: one person asks for
    it, and it is given to another one. ``actor``: None where no directory is in force.
    """
    if not four_eyes or actor is None:
        return True
    return asked is not None and not asked.actor.shares_a_person_with(actor)
