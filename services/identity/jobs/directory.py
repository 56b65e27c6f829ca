"""Follows the directory in force: who has an account, and who may manage people.

Without Kafka the issuer knows no directory. It lets people in whose accounts commands have made.
"""

from collections.abc import Callable
from datetime import date, datetime
from functools import partial

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from contracts.envelope import Document
from contracts.messages.documents import PostsPublished
from contracts.rights.holders import Holders
from contracts.zone import CHINA
from services.identity.core.accounts import people_of
from services.identity.settings import IdentitySettings
from services.identity.store import accounts
from services.runtime.failures import Failures
from services.runtime.kafka.documents import TOPIC, Documents
from services.runtime.kafka.topics import require
from services.runtime.security.access import Access, PostsUnknown, Verifier
from services.runtime.security.access_record import AccessRecord
from services.runtime.store.database import transaction


class Directory:
    """The directory as this process knows it. ``now`` is the machine's time."""

    def __init__(
        self,
        settings: IdentitySettings,
        database: AsyncEngine,
        failures: Failures,
        verifier: Verifier,
        recorder: AccessRecord,
        now: Callable[[], datetime],
    ) -> None:
        self._settings = settings
        self._database = database
        self._now = now
        self._posts: PostsPublished | None = None
        self._documents = (
            Documents(settings, database, failures, self._changed, self._received) if settings.kafka else None
        )
        self.access = Access(verifier, self._today, recorder, self._is_known)

    async def run(self) -> None:
        """Follow, without end; at once at its end without Kafka."""
        if self._documents is not None:
            await self._documents.run(partial(require, self._settings, TOPIC))

    async def run_once(self) -> bool:
        """Close the accounts of people whose last post has ended by its date. Returns False."""
        if self._posts is not None:
            async with transaction(self._database) as connection:
                await self._follow(connection, self._posts)
        return False

    def _changed(self, document: Document) -> None:
        if isinstance(document, PostsPublished):
            self._posts = document
            self.access.holders = Holders(document)

    async def _received(self, connection: AsyncConnection, document: Document) -> None:
        if isinstance(document, PostsPublished):
            await self._follow(connection, document)

    async def _follow(self, connection: AsyncConnection, posts: PostsPublished) -> None:
        listed, now = people_of(posts, self._today()), self._now()
        await connection.run_sync(lambda one: accounts.follow(one, listed, now))

    def _today(self) -> date:
        return self._now().astimezone(CHINA).date()

    def _is_known(self) -> bool:
        """Raises `PostsUnknown` for an issuer that follows no directory."""
        if self._documents is None:
            raise PostsUnknown(
                "this issuer of logins does not follow the directory, so that nobody has a right here: give it "
                "ONEDOOR_KAFKA and ONEDOOR_DOCUMENTS_KEY, or use 'onedoor people'",
                "本登录签发方未接收人员名录，因此无人在此有权限：请设置 ONEDOOR_KAFKA 和 ONEDOOR_DOCUMENTS_KEY，"
                "或使用 onedoor people 命令",
            )
        return self._documents.loaded
