"""The person who gives a command that changes something, by a token of the issuer and the directory in force."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from functools import partial
from typing import NamedTuple, TypeVar

import typer
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from contracts.messages.documents import PostsPublished
from contracts.rights.actor import Actor
from contracts.rights.holders import Holders
from contracts.rights.table import Act
from contracts.zone import CHINA
from services.monitor.store.notifications import directory_store
from services.operator.databases import on_service
from services.operator.login.settings import LoginSettings
from services.operator.login.tokens import access_token, given_token, issuer_of
from services.operator.options import DatabaseOptions
from services.operator.output import stop
from services.runtime.clock import machine_now
from services.runtime.kafka.documents import FOLLOWED
from services.runtime.security.access import FRESH, NoRight, is_fresh, permit
from services.runtime.security.access_record import AccessEntry, Outcome
from services.runtime.security.access_tokens import AccessToken, InvalidToken, KeysUnavailable, TokenVerifier
from services.runtime.store import access_record, documents

T = TypeVar("T")

COMMAND = "onedoor"
"""Stands for the request where a command has done an act."""


class Caller(NamedTuple):
    """The person who gives a command that does an act.

    ``actor`` is None where no directory is in force: then nobody can have a right, and an installation begins.
    ``four_eyes``: whether a change of rules, directory or calendar needs a second person. ``client``: the program that
    uses the token.
    """

    actor: Actor | None
    four_eyes: bool
    act: str = ""
    roles: tuple[str, ...] = ()
    client: str | None = None

    def entry(
        self,
        outcome: Outcome = Outcome.DONE,
        *,
        case_id: str | None = None,
        rows: int | None = None,
        **concerned: object,
    ) -> AccessEntry:
        """The entry of the act for the record of access. ``concerned``: what it is about, by name."""
        about = {name: str(value) for name, value in concerned.items() if value is not None}
        return AccessEntry(
            machine_now(),
            self.act,
            outcome.value,
            person=self.actor.person if self.actor is not None else None,
            on_behalf_of=self.actor.on_behalf_of if self.actor is not None else None,
            client=self.client,
            roles=self.roles,
            request=COMMAND,
            case_id=case_id,
            filter=json.dumps(about, ensure_ascii=False, sort_keys=True) if about else None,
            rows=rows,
        )


def acting(options: DatabaseOptions, service: str | None, act: Act) -> Actor | None:
    """The person who gives a command; see `calling`."""
    return calling(options, service, act).actor


def recorded(
    work: Callable[[AsyncConnection], Awaitable[T]], entry: Callable[[T], AccessEntry | None]
) -> Callable[[AsyncConnection], Awaitable[T]]:
    """The same work, with its entry in the record of access, in its transaction. None: nothing was done."""

    async def both(connection: AsyncConnection) -> T:
        result = await work(connection)
        if (made := entry(result)) is not None:
            await access_record.add(connection, [made])
        return result

    return both


def calling(options: DatabaseOptions, service: str | None, act: Act) -> Caller:
    """Who gives a command, with the right to this act by the directory in the service's database.

    The person has to have logged in within `FRESH`, as on pages. A program, whose token in the environment says of
    nobody when they logged in, acts by itself.

    Raises `typer.Exit` without a login, with one that is too old, and without the right. Each refusal of a token is on
    record in the service's database.
    """
    posts = on_service(service, options, posts_in_force)
    if posts is None:
        return Caller(None, four_eyes=False, act=act.value)
    issuer = issuer_of(options)
    token = access_token(issuer)
    try:
        return asyncio.run(_permitted(issuer, token, posts, act))
    except _Refused as refused:
        put_on_record(service, options, refused.entry)
        raise refused.end from None


def put_on_record(service: str | None, options: DatabaseOptions, entry: AccessEntry) -> None:
    """Write an entry to the record of access of a service."""
    on_service(service, options, partial(_record, entry))


class _Refused(Exception):
    """The act is refused: ``end`` is the end of the command, ``entry`` that of the record."""

    def __init__(self, end: typer.Exit, entry: AccessEntry) -> None:
        super().__init__()
        self.end = end
        self.entry = entry


async def _record(entry: AccessEntry, database: AsyncEngine) -> None:
    async with database.begin() as connection:
        await access_record.add(connection, [entry])


async def posts_in_force(database: AsyncEngine) -> PostsPublished | None:
    """The posts of the directory in force, as this database has them; None without one."""
    async with database.connect() as connection:
        return await directory_store.posts_in_force(connection) or await _received(connection)


async def verified(issuer: str, token: str) -> AccessToken:
    """The content of an access token. Raises `typer.Exit` for one that gives no access."""
    verifier = _verifier(issuer)
    try:
        return await verifier.verify(token)
    except InvalidToken as error:
        raise stop(
            f"{error}: log in again with 'onedoor login', or check ONEDOOR_TOKEN and the issuer {issuer}",
            f"令牌无效：请用 onedoor login 重新登录，或核对 ONEDOOR_TOKEN 和登录签发方 {issuer}",
        ) from None
    except KeysUnavailable as error:
        raise stop(error.en, error.zh) from None
    finally:
        await verifier.close()


async def _permitted(issuer: str, token: str, posts: PostsPublished, act: Act) -> Caller:
    nobody = Caller(None, posts.four_eyes, act.value)
    try:
        known = await verified(issuer, token)
    except typer.Exit as ended:
        raise _Refused(ended, nobody.entry(Outcome.NOT_LOGGED_IN)) from None
    person = known.subject
    asking = nobody._replace(actor=Actor(person), client=known.client)
    try:
        found = permit(Holders(posts), person, act, machine_now().astimezone(CHINA).date())
    except NoRight as error:
        end = stop(f"{person}: {error.en}", f"{person}：{error.zh}")
        raise _Refused(end, asking.entry(Outcome.NO_RIGHT)) from None
    is_program = known.authenticated_at is None and given_token() is not None
    if not is_fresh(known) and not is_program:
        minutes = int(FRESH.total_seconds()) // 60
        end = stop(
            f"this needs a login of the last {minutes} minutes: log in once more with 'onedoor login', then repeat the "
            "command",
            f"此操作须在登录后 {minutes} 分钟内进行：请用 onedoor login 再次登录，然后重新运行命令",
        )
        raise _Refused(end, asking.entry(Outcome.NOT_LOGGED_IN))
    roles = tuple(sorted({post.role.value for post in found.posts}))
    return asking._replace(actor=found.actor, roles=roles)


def _verifier(issuer: str) -> TokenVerifier:
    settings = LoginSettings()
    return TokenVerifier(issuer, settings.audience, subject_claim=settings.subject_claim)


async def _received(connection: AsyncConnection) -> PostsPublished | None:
    """The posts as a service other than monitor keeps them."""
    versioned = FOLLOWED[PostsPublished.kind]
    found = await documents.in_force(connection, versioned.kind)
    return versioned.parse(found.number, found.body) if found is not None else None
