"""authlib's authorization server for one request, inside one transaction."""

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from authlib.common.urls import add_params_to_uri
from authlib.oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749.errors import (
    AccessDeniedError,
    InvalidGrantError,
    InvalidScopeError,
    UnauthorizedClientError,
)
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc8628 import DeviceAuthorizationEndpoint
from sqlalchemy import Connection
from starlette.responses import JSONResponse, RedirectResponse, Response

from services.identity.store import devices, grants, record
from services.identity.store.record import Entry
from services.identity.store.sessions import Session
from services.identity.web.issuer import Issuer
from services.identity.web.oauth.client import RegisteredClient
from services.identity.web.oauth.grants import (
    METHODS,
    S256,
    CodeGrant,
    DeviceGrant,
    ProgramGrant,
    RefreshGrant,
    StoredRefreshToken,
)
from services.identity.web.oauth.names import DEVICE_CODE_S, POLL_S
from services.identity.web.oauth.requests import OAuthRequest
from services.identity.web.oauth.tokens import AccessTokens, Granted, IdTokens, new_secret

USER_CODE_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
"""Letters that do not look alike and make no words (RFC 8628, section 6.1). Eight of them have 2.6e10 values."""


def user_code_as_kept(typed: str) -> str:
    """The code of a device as it is compared: people type it in any case, with or without a hyphen."""
    return "".join(letter for letter in typed.upper() if letter in USER_CODE_LETTERS)


class OAuthServer(AuthorizationServer):
    """Answers one request. ``address`` is the client's, for the record."""

    def __init__(self, issuer: Issuer, connection: Connection, address: str | None) -> None:
        super().__init__()
        self.issuer = issuer
        self.connection = connection
        self.now: datetime = issuer.now()
        self._address = address
        id_tokens = IdTokens(issuer, connection)
        self.register_token_generator("default", AccessTokens(issuer, connection))
        self.register_grant(CodeGrant, [S256(required=True), id_tokens])
        self.register_grant(RefreshGrant)
        self.register_grant(ProgramGrant)
        self.register_grant(DeviceGrant, [id_tokens])
        self.register_endpoint(DeviceAuthorization)
        self.register_endpoint(Revocation)

    def record(self, entry: Entry) -> None:
        """Put an entry on record, with the client's address."""
        record.append(self.connection, entry._replace(address=self._address), self.now)

    def give(self, session: Session, client_id: str, scope: str) -> UUID:
        """Record that the person gives access to a program.

        Raises authlib's `AccessDeniedError` for a person with the id of a program: its tokens would be the program's.
        """
        if self.issuer.clients.find(session.person_id) is not None:
            raise AccessDeniedError("The account has the id of a program")
        return grants.give(
            self.connection,
            session.person_id,
            client_id,
            scope,
            session.session_id,
            session.authenticated_at,
            session.method,
            self.now,
        )

    def query_client(self, client_id: str) -> RegisteredClient | None:
        client = self.issuer.clients.find(client_id)
        return None if client is None else RegisteredClient(client)

    def save_token(self, token: Mapping[str, Any], request: OAuthRequest) -> None:
        user: Granted | None = request.user
        client_id = request.client.get_client_id()
        if user is None:
            self.record(Entry("program", "token", None, client_id))
            return
        if request.credential is not None:
            devices.use(self.connection, request.credential.device_code, self.now)
        expires_at = user.grant.authenticated_at + self.issuer.limits.longest
        if expires_at <= self.now:
            raise InvalidGrantError("The login has ended")
        if "refresh_token" in token:
            grants.add_refresh_token(self.connection, user.grant.grant_id, token["refresh_token"], expires_at, self.now)

    def create_oauth2_request(self, request: OAuthRequest) -> OAuthRequest:
        return request

    def send_signal(self, name: str, *args: object, **kwargs: object) -> None:
        """Nothing subscribes to signals: what counts is recorded where it happens."""

    def handle_response(self, status: int, body: Any, headers: list[tuple[str, str]]) -> Response:
        """The response. One that leads back to the program names the issuer (RFC 9207)."""
        given = dict(headers)
        if "Location" in given:
            location = add_params_to_uri(given["Location"], [("iss", self.issuer.url)])
            return RedirectResponse(location, 303, {"Cache-Control": "no-store"})
        if isinstance(body, list):
            body = dict(body)
        return JSONResponse(body, status, {**given, "Cache-Control": "no-store"})


class DeviceAuthorization(DeviceAuthorizationEndpoint):
    """Where a device asks for its codes."""

    CLIENT_AUTH_METHODS = METHODS
    EXPIRES_IN = DEVICE_CODE_S
    INTERVAL = POLL_S

    def create_endpoint_response(self, request: OAuthRequest) -> tuple[int, dict[str, Any], list[tuple[str, str]]]:
        """The codes. The address with the code in it is left out: it invites to follow a stranger's."""
        status, data, headers = super().create_endpoint_response(request)
        del data["verification_uri_complete"]
        return status, data, headers

    def generate_device_code(self) -> str:
        return new_secret()

    def generate_user_code(self) -> str:
        code = "".join(secrets.choice(USER_CODE_LETTERS) for _ in range(8))
        return f"{code[:4]}-{code[4:]}"

    def get_verification_uri(self) -> str:
        return f"{self.server.issuer.url}/device"

    def save_device_credential(self, client_id: str, scope: str | None, data: Mapping[str, Any]) -> None:
        client = self.server.query_client(client_id)
        allowed = client.get_allowed_scope(scope)
        if not client.check_grant_type(DeviceGrant.GRANT_TYPE):
            raise UnauthorizedClientError
        if allowed is None:
            raise InvalidScopeError
        devices.add(
            self.server.connection,
            data["device_code"],
            user_code_as_kept(data["user_code"]),
            client_id,
            allowed,
            timedelta(seconds=self.EXPIRES_IN),
            self.server.now,
        )


class Revocation(RevocationEndpoint):
    """Where a program gives a refresh token back (RFC 7009). An access token ends by itself within minutes."""

    SUPPORTED_TOKEN_TYPES = ("refresh_token",)
    CLIENT_AUTH_METHODS = METHODS

    def query_token(self, token_string: str, token_type_hint: str | None) -> StoredRefreshToken | None:
        grant = grants.grant_of_token(self.server.connection, token_string)
        return None if grant is None else StoredRefreshToken(grant)

    def revoke_token(self, token: StoredRefreshToken, request: OAuthRequest) -> None:
        grant = token.grant
        grants.revoke(self.server.connection, grant.grant_id, "given back", self.server.now)
        self.server.record(Entry("revocation", "given back", grant.person_id, grant.client_id))
