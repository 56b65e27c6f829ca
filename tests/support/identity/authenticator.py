"""An authenticator with a passkey, as a telephone has one (WebAuthn, sections 6.1 and 6.5)."""

import json
import secrets
from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


class Authenticator:
    """One passkey. ``verified``: whether it says that it has recognised its owner."""

    def __init__(self, origin: str, host: str = "localhost", verified: bool = True) -> None:
        self.origin = origin
        self._host = host
        self._flags = PRESENT | (VERIFIED if verified else 0)
        self._key = generate_private_key(SECP256R1())
        self._id = secrets.token_bytes(32)
        self._count = 0

    def create(self, options: dict[str, Any]) -> str:
        """The answer to the options of a new passkey."""
        numbers = self._key.public_key().public_numbers()
        key = {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
        attested = bytes(16) + len(self._id).to_bytes(2, "big") + self._id + cbor2.dumps(key)
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": self._data(ATTESTED) + attested})
        return self._answer(
            {"clientDataJSON": self._client("webauthn.create", options), "attestationObject": attestation}
        )

    def get(self, options: dict[str, Any]) -> str:
        """The answer to the options of a login."""
        self._count += 1
        client, data = self._client("webauthn.get", options), self._data(0)
        signature = self._key.sign(data + sha256(client).digest(), ECDSA(SHA256()))
        return self._answer({"clientDataJSON": client, "authenticatorData": data, "signature": signature})

    def _client(self, kind: str, options: dict[str, Any]) -> bytes:
        return json.dumps({"type": kind, "challenge": options["challenge"], "origin": self.origin}).encode()

    def _data(self, more: int) -> bytes:
        return sha256(self._host.encode()).digest() + bytes([self._flags | more]) + self._count.to_bytes(4, "big")

    def _answer(self, response: dict[str, bytes]) -> str:
        fields = {name: _text(value) for name, value in response.items()}
        return json.dumps({"id": _text(self._id), "rawId": _text(self._id), "type": "public-key", "response": fields})


def _text(content: bytes) -> str:
    return urlsafe_b64encode(content).decode().rstrip("=")
