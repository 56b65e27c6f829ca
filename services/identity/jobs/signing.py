"""The keys that sign tokens: made, encrypted, rotated and published."""

import json
from datetime import datetime
from typing import Any
from uuid import uuid4

from joserfc.jwk import RSAKey
from pydantic import SecretStr
from sqlalchemy import Connection

from services.identity.core.keys import rotation, signing_key
from services.identity.store import signing_keys

ALGORITHM = "RS256"
BITS = 2048


class Signing:
    """The keys of this issuer. ``secret`` encrypts their private parts in the database."""

    def __init__(self, secret: SecretStr) -> None:
        self._secret = secret.get_secret_value()
        self._decrypted: dict[str, RSAKey] = {}

    def rotate(self, connection: Connection, now: datetime) -> bool:
        """Make and remove keys as it is due. Returns whether anything was."""
        signing_keys.lock(connection)
        due = rotation(signing_keys.times(connection), now)
        if due.make_from is not None:
            key = RSAKey.generate_key(BITS, parameters={"kid": uuid4().hex, "use": "sig", "alg": ALGORITHM})
            signing_keys.add(
                connection,
                key.kid or "",
                due.make_from,
                key.as_pem(private=True, password=self._secret),
                json.dumps(key.as_dict(private=False)),
            )
        signing_keys.remove(connection, due.remove)
        return due.make_from is not None or bool(due.remove)

    def key(self, connection: Connection, now: datetime) -> RSAKey:
        """The key that signs now."""
        current = signing_key(signing_keys.times(connection), now)
        if current is None:
            self.rotate(connection, now)
            return self.key(connection, now)
        if current.key_id not in self._decrypted:
            stored = signing_keys.find(connection, current.key_id)
            key = RSAKey.import_key(stored.private_key, {"kid": stored.key_id, "use": "sig"}, password=self._secret)
            self._decrypted = {stored.key_id: key}
        return self._decrypted[current.key_id]

    def published(self, connection: Connection) -> dict[str, Any]:
        """The public keys (RFC 7517)."""
        return {"keys": [json.loads(key) for key in signing_keys.published(connection)]}
