"""The parts that all endpoints of the issuer share."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from urllib.parse import urlsplit

from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.bilingual import Bilingual
from services.identity.core.clients import Clients
from services.identity.core.sessions import SessionLimits
from services.identity.jobs.passwords import Passwords
from services.identity.jobs.signing import Signing
from services.identity.migrations import ISSUER_MIGRATIONS
from services.identity.settings import IdentitySettings
from services.runtime.security.access import Access
from services.runtime.store.database import transaction
from services.runtime.store.tables import database_faults

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Issuer:
    """The issuer of one installation. ``now`` is the machine's time: a login has nothing to do with a clock of a
    demonstration."""

    settings: IdentitySettings
    clients: Clients
    database: AsyncEngine
    signing: Signing
    passwords: Passwords
    now: Callable[[], datetime]
    access: Access
    """The rights at the issuer, where it follows the directory."""

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Do this work in one transaction. The work may call libraries that are synchronous."""
        async with transaction(self.database) as connection:
            return await connection.run_sync(work)

    async def faults(self) -> list[Bilingual]:
        """The reasons why this replica cannot do its work; none if it is ready."""
        return await database_faults(self.database, ISSUER_MIGRATIONS)

    @property
    def url(self) -> str:
        """The address of the issuer."""
        return self.settings.issuer

    @property
    def host(self) -> str:
        """The host that passkeys belong to."""
        return urlsplit(self.url).hostname or ""

    @property
    def has_front(self) -> bool:
        """Whether the pages of onedoor stand at the issuer's own address, so that its pages have their menu."""
        return f"{self.url}/session/back" in self.clients.redirect_uris

    @property
    def limits(self) -> SessionLimits:
        """How long a login lasts."""
        return SessionLimits(self.settings.idle, self.settings.longest)
