"""The person who gives a command that changes something, by a token of the issuer and the directory in force."""

import asyncio
from typing import NamedTuple

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
from services.runtime.security.access_tokens import AccessToken, InvalidToken, KeysUnavailable, TokenVerifier
from services.runtime.store import documents


class Caller(NamedTuple):
    """The person who gives a command.

    ``actor`` is None where no directory is in force: then nobody can have a right, and an installation begins.
    ``four_eyes``: whether a change of rules, directory or calendar needs a second person.
    """

    actor: Actor | None
    four_eyes: bool


def acting(options: DatabaseOptions, service: str | None, act: Act) -> Actor | None:
    """The person who gives a command; see `calling`."""
    return calling(options, service, act).actor


def calling(options: DatabaseOptions, service: str | None, act: Act) -> Caller:
    """Who gives a command, with the right to this act by the directory in the service's database.

    The person has to have logged in within `FRESH`, as on pages. A program, whose token in the environment says of
    nobody when they logged in, acts by itself.

    Raises `typer.Exit` without a login, with one that is too old, and without the right.
    """
    posts = on_service(service, options, posts_in_force)
    if posts is None:
        return Caller(None, four_eyes=False)
    issuer = issuer_of(options)
    return Caller(asyncio.run(_permitted(issuer, access_token(issuer), posts, act)), posts.four_eyes)


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


async def _permitted(issuer: str, token: str, posts: PostsPublished, act: Act) -> Actor:
    known = await verified(issuer, token)
    person = known.subject
    try:
        actor = permit(Holders(posts), person, act, machine_now().astimezone(CHINA).date()).actor
    except NoRight as error:
        raise stop(f"{person}: {error.en}", f"{person}：{error.zh}") from None
    is_program = known.authenticated_at is None and given_token() is not None
    if not is_fresh(known) and not is_program:
        minutes = int(FRESH.total_seconds()) // 60
        raise stop(
            f"this needs a login of the last {minutes} minutes: log in once more with 'onedoor login', then repeat the "
            "command",
            f"此操作须在登录后 {minutes} 分钟内进行：请用 onedoor login 再次登录，然后重新运行命令",
        )
    return actor


def _verifier(issuer: str) -> TokenVerifier:
    settings = LoginSettings()
    return TokenVerifier(issuer, settings.audience, subject_claim=settings.subject_claim)


async def _received(connection: AsyncConnection) -> PostsPublished | None:
    """The posts as a service other than monitor keeps them."""
    versioned = FOLLOWED[PostsPublished.kind]
    found = await documents.in_force(connection, versioned.kind)
    return versioned.parse(found.number, found.body) if found is not None else None
