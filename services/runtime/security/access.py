"""Access to endpoints and pages: a token says who somebody is, and the directory in force what they may do.

Everything is refused that the table of rights does not allow (`contracts.rights.table`).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cached_property
from typing import Annotated, Any, Protocol

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from contracts.bilingual import BilingualError
from contracts.rights.actor import Actor
from contracts.rights.holders import Holders
from contracts.rights.scope import HeldPost, Scope, scope_of
from contracts.rights.table import RIGHTS, Act, Role
from services.runtime.clock import machine_now
from services.runtime.security.access_record import PRESENT, AccessRecord
from services.runtime.security.access_tokens import AccessToken, InvalidToken

FRESH = timedelta(minutes=5)
"""How long ago a person may have logged in for an act that needs it."""

_TOKEN = HTTPBearer(auto_error=False, scheme_name="login", description="An access token of the issuer of logins.")

Given = Annotated[HTTPAuthorizationCredentials | None, Depends(_TOKEN)]


class NotLoggedIn(BilingualError):
    """The request has no token, or one that gives no access. ``challenge``: parameters of the header
    ``WWW-Authenticate`` (RFC 6750, section 3)."""

    def __init__(self, challenge: str, en: str, zh: str) -> None:
        super().__init__(en, zh)
        self.challenge = challenge


class NoRight(BilingualError):
    """The directory in force gives the person no right to the act."""


class PostsUnknown(BilingualError):
    """The process does not know which directory is in force: it has not read it yet, unless another reason is given."""

    def __init__(
        self,
        en: str = "this process has just started and does not know the directory yet; try again",
        zh: str = "本进程刚刚启动，尚未读取人员名录；请稍后重试",
    ) -> None:
        super().__init__(en, zh)


class Verifier(Protocol):
    """Verifies access tokens; see `services.runtime.security.access_tokens.TokenVerifier`."""

    async def verify(self, token: str) -> AccessToken:
        """The content of a token. Raises `InvalidToken` or `KeysUnavailable`."""


@dataclass(frozen=True)
class Permit:
    """The right of a person, or of a program, to an act, in a scope that is not empty."""

    person: str
    """The subject of the token: an id of the directory."""
    act: Act
    posts: tuple[HeldPost, ...]
    """The posts that give the right."""
    is_fresh: bool = False
    """Whether the person has logged in within `FRESH`."""
    name: str | None = None
    """The name of the person by the token."""

    @cached_property
    def scope(self) -> Scope:
        """The part of the work for which it holds."""
        return scope_of(self.posts, self.act)

    @property
    def actor(self) -> Actor:
        """The person, for the record of an act on what belongs to no department and no region."""
        instead = [post.instead_of for post in self.posts]
        actor = Actor(self.person, None if None in instead else instead[0])
        if (asked := PRESENT.get(None)) is not None:
            asked.on_behalf_of = actor.on_behalf_of
        return actor

    def covers(self, department: str, region: str, item: str) -> bool:
        """Whether the work of this department in this region about this item lies in the scope."""
        return any(area.covers(department, region, item) for area in self.scope)

    def on_behalf_of(self, department: str, region: str, item: str) -> str | None:
        """The person on leave for whom the act is done; None if a post of one's own gives the right."""
        giving = [post for post in self.posts if scope_covers(post, self.act, department, region, item)]
        if not giving or any(post.instead_of is None for post in giving):
            return None
        if (asked := PRESENT.get(None)) is not None:
            asked.on_behalf_of = giving[0].instead_of
        return giving[0].instead_of


class Access:
    """Who may do what at this process, and the record of it.

    ``holders``: the posts of the directory in force, None where there is none. ``known``: whether the process has read
    yet which one that is.
    """

    def __init__(
        self,
        verifier: Verifier,
        today: Callable[[], date],
        record: AccessRecord,
        known: Callable[[], bool] = lambda: True,
    ) -> None:
        self.holders: Holders | None = None
        self.record = record
        self._known = known
        self._verifier = verifier
        self._today = today

    async def token(self, given: HTTPAuthorizationCredentials | None) -> AccessToken:
        """The token of a request. Raises `NotLoggedIn` without a valid one, and `KeysUnavailable`."""
        if given is None:
            raise NotLoggedIn("", "a token of the issuer of logins is needed", "须提供登录签发方的令牌")
        try:
            return await self._verifier.verify(given.credentials.strip())
        except InvalidToken as error:
            raise NotLoggedIn(
                'error="invalid_token"', f"{error}; log in again", "令牌无效或已过期，请重新登录"
            ) from None

    def permit(self, person: str, act: Act) -> Permit:
        """The right of a person to an act today. Raises `NoRight` without one, and `PostsUnknown`."""
        if self.holders is None and not self._known():
            raise PostsUnknown
        if self.holders is None:
            raise NoRight(
                "no directory is in force: put one in force with 'onedoor directory apply'",
                "尚无生效的人员名录：请先用 onedoor directory apply 启用",
            )
        return permit(self.holders, person, act, self._today())

    async def permit_of(self, authorization: str, act: Act) -> Permit:
        """The right of whoever sends this header, where an endpoint is open to others as well.

        Raises `NotLoggedIn`, `NoRight`, `KeysUnavailable` or `RecordUnavailable`.
        """
        scheme, _, credentials = authorization.partition(" ")
        given = HTTPAuthorizationCredentials(scheme=scheme, credentials=credentials)
        return await self.check(given if scheme.lower() == "bearer" else None, act)

    async def check(self, given: HTTPAuthorizationCredentials | None, act: Act, *, fresh: bool = False) -> Permit:
        """The right to an act of whoever sends this token.

        The record of access learns what is asked for, by whom and by which right. An act that changes something is on
        record before its right is given.

        Raises `NotLoggedIn`, `NoRight`, `KeysUnavailable` or `RecordUnavailable`.
        """
        asked = PRESENT.get()
        asked.act = act
        token = await self.token(given)
        asked.person, asked.client = token.subject, token.client
        permit = replace(self.permit(token.subject, act), is_fresh=is_fresh(token), name=token.name)
        asked.roles = tuple(sorted({post.role.value for post in permit.posts}))
        if fresh and not permit.is_fresh:
            challenge = f'error="insufficient_user_authentication", max_age={int(FRESH.total_seconds())}'
            raise NotLoggedIn(challenge, "log in once more before this act", "办理此事前请再次登录确认")
        await asked.permitted(asked)
        return permit

    def roles(self, person: str) -> frozenset[Role]:
        """The roles that a person has today. Raises `PostsUnknown`."""
        if self.holders is None and not self._known():
            raise PostsUnknown
        held = self.holders.held_by(person, self._today()) if self.holders is not None else ()
        return frozenset(post.role for post in held)

    def acts(self, person: str) -> frozenset[Act]:
        """All acts to which a person has a right today. Raises `PostsUnknown`."""
        return frozenset(act for role in self.roles(person) for act in RIGHTS[role])

    def may(self, act: Act, *, fresh: bool = False) -> Any:
        """A FastAPI dependency that gives the `Permit` of whoever asks for this act.

        ``fresh``: the person has to have logged in within `FRESH`; else the answer is 401 with the challenge of RFC
        9470.
        """
        return Depends(Check(self, act, fresh))


class Check:
    """The check of an endpoint for one act."""

    def __init__(self, access: Access, act: Act, fresh: bool) -> None:
        self.act = act
        self.fresh = fresh
        self._access = access

    async def __call__(self, given: Given) -> Permit:
        return await self._access.check(given, self.act, fresh=self.fresh)


def is_fresh(token: AccessToken) -> bool:
    """Whether the person has logged in within `FRESH`."""
    at = token.authenticated_at
    return at is not None and machine_now() - at <= FRESH


def permit(holders: Holders, person: str, act: Act, day: date) -> Permit:
    """The right of a person to an act on that day. Raises `NoRight` without one."""
    posts = tuple(post for post in holders.held_by(person, day) if scope_of((post,), act))
    if not posts:
        raise NoRight(
            f"none of your posts in the directory allows {act.value}", f"人员名录中您的岗位无此权限（{act.value}）"
        )
    return Permit(person, act, posts)


def scope_covers(post: HeldPost, act: Act, department: str, region: str, item: str) -> bool:
    """Whether a post by itself gives the right to an act on this work."""
    return any(area.covers(department, region, item) for area in scope_of((post,), act))
