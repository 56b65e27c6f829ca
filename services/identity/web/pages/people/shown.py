"""Accounts as the pages show them."""

from collections.abc import Mapping
from typing import NamedTuple

from babel.support import NullTranslations

from contracts.rights.scope import HeldPost
from contracts.zone import CHINA
from services.identity.core.accounts import Request, State
from services.identity.store.listing import Listed
from services.identity.web.issuer import Issuer
from services.identity.web.pages.history import Times
from services.runtime.http.pages.languages import N_
from services.runtime.http.pages.words import ROLES

PEOPLE = "/people"
"""The path of the pages."""

SHOWN_STATES: Mapping[str, str] = {
    "waiting": N_("Waits for a second person"),
    State.NOT_ENROLLED: N_("Not enrolled"),
    State.ACTIVE: N_("Active"),
    State.LOCKED: N_("Locked for some minutes"),
    State.DISABLED: N_("Disabled"),
    State.LEFT: N_("No post any more"),
}
"""The states by which the list is filtered."""

_TAGS: Mapping[State, tuple[str, str]] = {
    State.NOT_ENROLLED: ("plain", "wait"),
    State.ACTIVE: ("ok", "ok"),
    State.LOCKED: ("warn", "lock"),
    State.DISABLED: ("still", "lock"),
    State.LEFT: ("prov", "prov"),
}
"""Class and icon of the tag of each state."""


class ShownAccount(NamedTuple):
    """An account in words."""

    person_id: str
    name: str
    state: str
    tag: tuple[str, str]
    posts: str
    passkeys: int
    has_password: bool
    sessions: int
    logged_in: str
    locked_until: str | None
    code_until: str | None
    asked: Request | None
    is_open: bool
    """The person may log in once there is a password or a passkey."""


def shown(one: Listed, issuer: Issuer, times: Times, texts: NullTranslations) -> ShownAccount:
    """An account in words."""
    return ShownAccount(
        one.person_id,
        one.name,
        texts.gettext(SHOWN_STATES[one.state]),
        _TAGS[one.state],
        "; ".join(posts_of(one.person_id, issuer, texts)),
        one.passkeys,
        one.has_password,
        one.sessions,
        times.moment(one.logged_in_at),
        None if one.locked_until is None else times.moment(one.locked_until),
        None if one.code_until is None else times.moment(one.code_until),
        one.asked,
        one.state not in (State.DISABLED, State.LEFT),
    )


def posts_of(person_id: str, issuer: Issuer, texts: NullTranslations) -> list[str]:
    """The posts that a person fills today, each with its role and area."""
    holders = issuer.access.holders
    if holders is None:
        return []
    return [_post(post, texts) for post in holders.held_by(person_id, issuer.now().astimezone(CHINA).date())]


def _post(post: HeldPost, texts: NullTranslations) -> str:
    area = post.area
    parts = [texts.gettext(ROLES[post.role]), area.department, area.region, " ".join(area.items)]
    text = " · ".join(one for one in parts if one)
    if post.instead_of is None:
        return text
    instead: str = texts.gettext(N_("%(post)s (deputy for %(person)s)")) % {"post": text, "person": post.instead_of}
    return instead
