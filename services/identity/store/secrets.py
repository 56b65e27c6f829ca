"""Secrets are kept as hashes."""

from hashlib import sha256


def hashed(secret: str) -> bytes:
    """The form in which a secret is kept. It is random and long, so that a fast hash is enough."""
    return sha256(secret.encode()).digest()
