"""The sessions of one installation: found, renewed at the issuer, and ended."""

import asyncio
import secrets
from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from uuid import UUID, uuid4
from weakref import WeakValueDictionary

from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine

from services.front.core.sessions import (
    NEEDED_FOR,
    RENEWED_BEFORE,
    WALL_LIMITS,
    EndReason,
    SessionLimits,
    ended,
    is_use_recorded,
)
from services.front.jobs.issuer import Given, IssuerClient, IssuerUnavailable, Person, Refused
from services.front.store import logins, sessions, walls
from services.front.store.logins import Login
from services.front.store.secrets import Seal, Unreadable
from services.front.store.sessions import Session, Tokens
from services.runtime import telemetry
from services.runtime.store.database import DedicatedConnection, transaction

TIDIED_AT_ONCE = 50
"""Sessions that one round ends. Each is a request to the issuer."""

log = telemetry.logger(__name__)


class SessionEnded(Exception):
    """The session has ended for this reason."""

    def __init__(self, reason: EndReason) -> None:
        super().__init__(reason)
        self.reason = reason


class Sessions:
    """All sessions. ``now`` is the machine's time: a login has nothing to do with the clock of a demonstration."""

    def __init__(
        self,
        database: AsyncEngine,
        issuer: IssuerClient,
        seal: Seal,
        limits: SessionLimits,
        now: Callable[[], datetime],
        walls: Mapping[str, SecretStr] = MappingProxyType({}),
    ) -> None:
        """``walls``: the programs of wall displays, each with its secret."""
        self._walls = walls
        self.limits = limits
        self.now = now
        self._database = database
        # Statements by themselves need no transaction around them, which would be two more round trips.
        self._statements = database.execution_options(isolation_level="AUTOCOMMIT")
        self._lookup = DedicatedConnection(database)
        self._turn = asyncio.Lock()
        self._issuer = issuer
        self._seal = seal
        self._renewals: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()

    async def close(self) -> None:
        """Close the connection for lookups."""
        await self._lookup.close()

    async def begin_login(self, state: str, browser: str, login: Login) -> None:
        """Keep a login that begins in a browser."""
        async with self._statements.connect() as connection:
            await logins.begin(connection, state, browser, login)

    async def take_login(self, state: str, browser: str) -> Login | None:
        """The login to which a browser comes back, once."""
        async with self._statements.connect() as connection:
            return await logins.take(connection, state, browser, self.now())

    async def begin(self, person: Person, given: Given, before: str | None) -> str:
        """Begin a session, and end the one that this browser had (``before``, its secret). Returns the new secret."""
        secret = secrets.token_urlsafe(32)
        tokens = self._closed(given, b"")
        earlier = None if before is None else await self.find(before, used=False)
        async with transaction(self._database) as connection:
            replaced = None
            if isinstance(earlier, Session):
                replaced = await sessions.end(connection, earlier.session_id, "replaced", self.now())
            await sessions.begin(connection, secret, person.person_id, person.name, tokens, self.now())
        if replaced is not None:
            await self._issuer.give_back(self._opened(replaced.refresh))
        return secret

    async def open_wall(self, code: str, before: str | None) -> str | None:
        """Open the wall display of this code, with a session in which nothing else is shown. Returns the secret; None
        for a code that is wrong or too old. Raises `Refused` or `IssuerUnavailable`; the code can be typed again then.
        """
        secret, session_id = secrets.token_urlsafe(32), uuid4()
        earlier = None if before is None else await self.find(before, used=False)
        async with transaction(self._database) as connection:
            wall = await walls.take(connection, code, session_id, self.now())
            if wall is None:
                return None
            tokens = self._closed(await self._token_of(wall.program), b"")
            for one in {wall.session_id, earlier.session_id if isinstance(earlier, Session) else None}:
                if one is not None:
                    await sessions.end(connection, one, "replaced", self.now())
            await sessions.begin(connection, secret, wall.program, wall.name, tokens, self.now(), session_id)
        return secret

    async def find(self, secret: str, *, used: bool) -> Session | EndReason | None:
        """The session of a browser, used now if ``used``; why it has ended; None if there is none."""
        now = self.now()
        async with self._turn, self._lookup.acquire() as driver:
            found = await sessions.find(driver, secret)
        if not isinstance(found, Session):
            return found
        if by_itself := ended(found.times, WALL_LIMITS if found.is_wall else self.limits, now):
            await self._end(found.session_id, by_itself)
            return by_itself
        if used and not is_use_recorded(found.times, now):
            async with self._statements.connect() as connection:
                await sessions.use(connection, found.session_id, now)
        return found

    async def access_token(self, session: Session) -> str:
        """An access token of a session, renewed if it is time. Raises `SessionEnded` or `IssuerUnavailable`."""
        left = session.tokens.access_expires_at - self.now()
        if left > RENEWED_BEFORE:
            return await self._readable(session)
        lock = self._renewals.setdefault(session.session_id, asyncio.Lock())
        serves = left > NEEDED_FOR
        if serves and lock.locked():
            return await self._readable(session)
        try:
            async with lock:
                return await self._renewed(session, serves=serves)
        except IssuerUnavailable:
            if not serves:
                raise
            return await self._readable(session)

    async def log_out(self, secret: str) -> None:
        """End the session of a browser, and its login at the issuer."""
        found = await self.find(secret, used=False)
        if not isinstance(found, Session):
            return
        tokens = await self._end(found.session_id, "logout")
        if tokens is not None:
            await self._issuer.give_back(self._opened(tokens.refresh))
            if identity := self._opened(tokens.identity):
                await self._issuer.log_out(identity)

    async def tidy(self) -> bool:
        """End the sessions that have ended by themselves, and delete what is old. Returns whether there may be more."""
        async with transaction(self._database) as connection:
            await logins.delete_old(connection, self.now())
            await sessions.delete_ended(connection, self.now())
            over = await sessions.ended_by_themselves(connection, self.limits, self.now(), TIDIED_AT_ONCE)
        for session_id, reason in over:
            tokens = await self._end(session_id, reason)
            if tokens is not None:
                await self._issuer.give_back(self._opened(tokens.refresh))
        return len(over) == TIDIED_AT_ONCE

    async def still_open(self, session_ids: set[UUID]) -> set[UUID]:
        """Those of these sessions that nobody has ended."""
        async with self._statements.connect() as connection:
            return await sessions.still_open(connection, session_ids)

    async def _renewed(self, session: Session, *, serves: bool) -> str:
        """Renew the token under a lock of the row, so that no two processes use one refresh token: a second use would
        look like a theft, and end the login. Where the token still ``serves``, nobody waits for the lock."""
        reason: EndReason
        async with transaction(self._database) as connection:
            found = await sessions.locked(connection, session.session_id, skip=serves)
            if isinstance(found, str):
                raise SessionEnded(found)
            if found is None or found.tokens.access_expires_at - self.now() > RENEWED_BEFORE:
                return await self._readable(found or session)
            refresh = self._opened(found.tokens.refresh)
            try:
                if found.is_wall:
                    given = await self._token_of(found.person_id)
                elif refresh is None:
                    raise Refused
                else:
                    given = await self._issuer.renew(refresh)
            except Refused:
                reason = "refused"
                await sessions.end(connection, session.session_id, reason, self.now())
            else:
                kept = given._replace(refresh=given.refresh or refresh)
                await sessions.renew(connection, session.session_id, self._closed(kept, found.tokens.identity))
                return given.access
        raise SessionEnded(reason)

    async def _token_of(self, program: str) -> Given:
        """A token of the program of wall displays. Raises `Refused` or `IssuerUnavailable`."""
        if program not in self._walls:
            raise Refused
        return await self._issuer.program_token(program, self._walls[program])

    async def _end(self, session_id: UUID, reason: EndReason) -> Tokens | None:
        async with self._statements.connect() as connection:
            return await sessions.end(connection, session_id, reason, self.now())

    async def _readable(self, session: Session) -> str:
        token = self._opened(session.tokens.access)
        if token is None:  # the key has changed
            await self._end(session.session_id, "refused")
            raise SessionEnded("refused")
        return token

    def _closed(self, given: Given, identity: bytes) -> Tokens:
        return Tokens(
            self._seal.close(given.access),
            given.expires_at,
            None if given.refresh is None else self._seal.close(given.refresh),
            identity if given.identity is None else self._seal.close(given.identity),
        )

    def _opened(self, content: bytes | None) -> str | None:
        try:
            return None if not content else self._seal.open(content)
        except Unreadable:
            return None
