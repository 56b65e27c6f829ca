"""Passwords as argon2id hashes (RFC 9106), computed beside the event loop."""

import asyncio

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY

from services.identity.core.passwords import normalized

AT_ONCE = 2
"""Hashes that are computed at the same time. Each takes 64 MiB and some 50 ms of a core."""


class Passwords:
    """Hashes and verifies passwords."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)
        self._nobody = self._hasher.hash("the password of nobody")
        self._free = asyncio.Semaphore(AT_ONCE)

    async def hashed(self, password: str) -> str:
        """The hash of a password."""
        async with self._free:
            return await asyncio.to_thread(self._hasher.hash, normalized(password))

    async def is_right(self, password_hash: str | None, password: str) -> bool:
        """Whether a password is the one of this hash. Without a hash it takes as long, and is wrong."""
        async with self._free:
            return await asyncio.to_thread(self._verified, password_hash, normalized(password))

    def _verified(self, password_hash: str | None, password: str) -> bool:
        try:
            self._hasher.verify(password_hash or self._nobody, password)
        except (VerificationError, InvalidHashError):
            return False
        return password_hash is not None
