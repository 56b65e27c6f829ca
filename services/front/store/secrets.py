"""Secrets of browsers are kept as hashes, and tokens encrypted."""

from base64 import urlsafe_b64encode
from hashlib import sha256

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import SecretStr


class Unreadable(Exception):
    """A token was encrypted with another key, or is damaged."""


def hashed(secret: str) -> bytes:
    """The form in which a secret is kept. It is random and long, so that a fast hash is enough."""
    return sha256(secret.encode()).digest()


class Seal:
    """Encrypts what is kept. The key is derived from a setting."""

    def __init__(self, secret: SecretStr) -> None:
        derived = HKDF(SHA256(), 32, salt=None, info=b"onedoor front tokens")
        self._fernet = Fernet(urlsafe_b64encode(derived.derive(secret.get_secret_value().encode())))

    def close(self, text: str) -> bytes:
        """The encrypted form of a text."""
        return self._fernet.encrypt(text.encode())

    def open(self, content: bytes) -> str:
        """The text. Raises `Unreadable`."""
        try:
            return self._fernet.decrypt(content).decode()
        except InvalidToken:
            raise Unreadable from None
