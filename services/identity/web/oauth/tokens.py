"""Access tokens (RFC 9068) and ID tokens (OpenID Connect Core 1.0) in authlib's generators."""

import secrets
from typing import Any

from authlib.oauth2.rfc9068 import JWTBearerTokenGenerator
from authlib.oidc.core.grants import OpenIDCode
from joserfc.jwk import KeySet
from sqlalchemy import Connection

from services.identity.store.grants import Grant
from services.identity.web.issuer import Issuer
from services.identity.web.oauth.client import RegisteredClient
from services.identity.web.oauth.names import ACCESS_TOKEN_S, AUDIENCE, ID_TOKEN_S


class Granted:
    """The person who has granted access, as authlib sees him."""

    def __init__(self, grant: Grant) -> None:
        self.grant = grant

    def get_user_id(self) -> str:
        return self.grant.person_id


def new_secret(**_: object) -> str:
    """A secret of 256 bits for a token, code or cookie."""
    return secrets.token_urlsafe(32)


class AccessTokens(JWTBearerTokenGenerator):
    """Makes access tokens, with a refresh token where the program gets one."""

    def __init__(self, issuer: Issuer, connection: Connection) -> None:
        super().__init__(issuer.url, refresh_token_generator=new_secret, expires_generator=ACCESS_TOKEN_S)
        self._keys = KeySet([issuer.signing.key(connection, issuer.now())])

    def get_jwks(self) -> KeySet:
        return self._keys

    def get_audiences(self, client: RegisteredClient, user: Granted | None, scope: str) -> str:
        return AUDIENCE

    def get_extra_claims(
        self, client: RegisteredClient, grant_type: str, user: Granted | None, scope: str
    ) -> dict[str, str]:
        return {} if user is None else {"name": user.grant.name}

    def get_auth_time(self, user: Granted | None) -> int | None:
        return None if user is None else int(user.grant.authenticated_at.timestamp())


class IdTokens(OpenIDCode):
    """Adds an ID token where the scope has ``openid``. ``sid`` names the session, so that a logout can name it."""

    def __init__(self, issuer: Issuer, connection: Connection) -> None:
        super().__init__()
        self._issuer = issuer
        self._keys = KeySet([issuer.signing.key(connection, issuer.now())])

    def resolve_client_private_key(self, client: RegisteredClient) -> KeySet:
        return self._keys

    def get_client_claims(self, client: RegisteredClient) -> dict[str, Any]:
        expires_at = int(self._issuer.now().timestamp()) + ID_TOKEN_S
        return {"iss": self._issuer.url, "aud": [client.get_client_id()], "exp": expires_at}

    def get_compatible_claims(self, request: Any) -> dict[str, Any]:
        grant: Grant = request.user.grant
        claims: dict[str, Any] = super().get_compatible_claims(request)
        claims["auth_time"] = int(grant.authenticated_at.timestamp())
        if grant.session_id is not None:
            claims["sid"] = str(grant.session_id)
        return claims

    def generate_user_info(self, user: Granted, scope: str) -> dict[str, str]:
        return {"sub": user.grant.person_id, "name": user.grant.name}

    def exists_nonce(self, nonce: str, request: Any) -> bool:
        """A code is used once, so that a nonce is the program's own affair."""
        return False
