"""The ways to get tokens, as authlib's grants on this issuer's tables."""

from datetime import timedelta
from typing import Any

from authlib.oauth2.rfc6749 import grants as authlib_grants
from authlib.oauth2.rfc6749.errors import AccessDeniedError, InvalidRequestError
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc8628 import DeviceCodeGrant, DeviceCredentialMixin

from services.identity.store import devices, grants
from services.identity.store.record import Entry
from services.identity.store.sessions import Session
from services.identity.web.oauth.names import POLL_S
from services.identity.web.oauth.tokens import Granted, new_secret

METHODS = ["client_secret_basic", "client_secret_post", "none"]


class S256(CodeChallenge):
    """PKCE with SHA-256, required of every program (RFC 9700, section 2.1.1)."""

    SUPPORTED_CODE_CHALLENGE_METHOD = ["S256"]  # noqa: RUF012 - authlib's own declaration

    def validate_code_challenge(self, grant: Any, redirect_uri: str) -> None:
        data = grant.request.payload.data
        if not data.get("code_challenge") or data.get("code_challenge_method") != "S256":
            raise InvalidRequestError("PKCE is required: give code_challenge, and S256 as code_challenge_method")
        super().validate_code_challenge(grant, redirect_uri)


class StoredCode:
    """An authorization code as authlib sees it."""

    code_challenge_method = "S256"

    def __init__(self, code: grants.Code) -> None:
        self.grant = code.grant
        self.code_challenge = code.code_challenge
        self._code = code

    def get_redirect_uri(self) -> str:
        return self._code.redirect_uri

    def get_scope(self) -> str:
        return self.grant.scope

    def get_nonce(self) -> str | None:
        return self._code.nonce

    def get_auth_time(self) -> int:
        return int(self.grant.authenticated_at.timestamp())

    def get_acr(self) -> None:
        """None is claimed."""

    def get_amr(self) -> list[str]:
        """How the person proved who he is (RFC 8176)."""
        return ["pwd"] if self.grant.method == "password" else ["hwk", "user"]


class CodeGrant(authlib_grants.AuthorizationCodeGrant):
    """Authorization codes: used once, within a minute, by the program that they were given to."""

    TOKEN_ENDPOINT_AUTH_METHODS = METHODS

    def generate_authorization_code(self) -> str:
        return new_secret()

    def save_authorization_code(self, code: str, request: Any) -> None:
        session: Session = request.user
        server = self.server
        grant_id = server.give(session, request.client.get_client_id(), request.scope)
        data = request.payload.data
        grants.add_code(
            server.connection,
            grant_id,
            code,
            request.payload.redirect_uri,
            data.get("nonce"),
            data["code_challenge"],
            server.now,
        )

    def query_authorization_code(self, code: str, client: Any) -> StoredCode | None:
        found = grants.use_code(self.server.connection, code, client.get_client_id(), self.server.now)
        if isinstance(found, grants.Reused):
            self.server.record(Entry("code", "reused", found.person_id, found.client_id))
            return None
        return None if found is None else StoredCode(found)

    def delete_authorization_code(self, authorization_code: StoredCode) -> None:
        """It is kept as used, so that a second use is recognised."""

    def authenticate_user(self, authorization_code: StoredCode) -> Granted:
        return Granted(authorization_code.grant)


class StoredRefreshToken:
    """A refresh token as authlib sees it."""

    def __init__(self, grant: grants.Grant) -> None:
        self.grant = grant

    def check_client(self, client: Any) -> bool:
        return bool(self.grant.client_id == client.get_client_id())

    def get_scope(self) -> str:
        return self.grant.scope


class RefreshGrant(authlib_grants.RefreshTokenGrant):
    """Refresh tokens: each is used once, and gives the next one."""

    TOKEN_ENDPOINT_AUTH_METHODS = METHODS
    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, refresh_token: str) -> StoredRefreshToken | None:
        client_id = self.request.client.get_client_id()
        found = grants.use_refresh_token(self.server.connection, refresh_token, client_id, self.server.now)
        if isinstance(found, grants.Reused):
            self.server.record(Entry("refresh", "reused", found.person_id, found.client_id))
            return None
        return None if found is None else StoredRefreshToken(found)

    def authenticate_user(self, refresh_token: StoredRefreshToken) -> Granted:
        return Granted(refresh_token.grant)

    def revoke_old_credential(self, refresh_token: StoredRefreshToken) -> None:
        """It was marked as used when it was read."""


class ProgramGrant(authlib_grants.ClientCredentialsGrant):
    """A program that acts by itself, by its secret."""

    TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic", "client_secret_post"]  # noqa: RUF012 - authlib's own


class DeviceCredential(DeviceCredentialMixin):
    """The request of a device as authlib sees it."""

    def __init__(self, device_code: str, request: devices.DeviceRequest, is_expired: bool) -> None:
        self.device_code = device_code
        self.request = request
        self._is_expired = is_expired

    def get_client_id(self) -> str:
        return self.request.client_id

    def get_scope(self) -> str:
        return self.request.scope

    def get_user_code(self) -> str:
        """It is kept as a hash, and not needed: the request knows its consent."""
        return ""

    def is_expired(self) -> bool:
        return self._is_expired


class DeviceGrant(DeviceCodeGrant):
    """A device that asks whether a person has consented."""

    TOKEN_ENDPOINT_AUTH_METHODS = METHODS

    def query_device_credential(self, device_code: str) -> DeviceCredential | None:
        found = devices.poll(self.server.connection, device_code, self.server.now)
        return None if found is None else DeviceCredential(device_code, found, found.expires_at <= self.server.now)

    def validate_device_credential(self, credential: DeviceCredential) -> Granted:
        request = credential.request
        if request.grant_id is not None and not credential.is_expired():
            grant = grants.find(self.server.connection, request.grant_id)
            if grant is None:
                raise AccessDeniedError
            return Granted(grant)
        if request.denied:
            raise AccessDeniedError
        user: Granted = super().validate_device_credential(credential)
        return user

    def query_user_grant(self, user_code: str) -> None:
        """Consent is looked up before."""

    def should_slow_down(self, credential: DeviceCredential) -> bool:
        polled = credential.request.polled_at
        return polled is not None and self.server.now - polled < timedelta(seconds=POLL_S)
