"""The front as a program of the issuer of logins (OpenID Connect Core 1.0), by authlib and joserfc."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import httpx2
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from pydantic import Field, SecretStr, ValidationError

from contracts.values import Model
from services.runtime import telemetry
from services.runtime.security.access_tokens import ALGORITHMS
from services.runtime.security.encryption import encrypted_url

TIMEOUT_S = 5.0
"""Machine seconds for one step of a request to the issuer."""

LONGEST_S = 8.0
"""Machine seconds for a whole request. A row of the database may be locked meanwhile."""

KEPT_S = 600.0
"""Machine seconds for which metadata and keys of the issuer are kept."""

LEEWAY_S = 60
"""Seconds by which the clocks of the issuer and of this machine may differ."""

SCOPE = "openid"

log = telemetry.logger(__name__)


class IssuerUnavailable(Exception):
    """The issuer does not answer, or its answer is of no use. The log has the reason."""


class Refused(Exception):
    """The issuer refuses the code or the refresh token (``invalid_grant``)."""


class InvalidLogin(Exception):
    """The ID token proves nothing. The text says why, and repeats nothing of it."""


class Given(NamedTuple):
    """The tokens that the issuer gives. ``identity`` is the ID token, None where a renewal brings none."""

    access: str
    expires_at: datetime
    refresh: str | None
    identity: str | None


class Person(NamedTuple):
    """The person who has logged in."""

    person_id: str
    name: str


class _Metadata(Model):
    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    revocation_endpoint: str | None = None
    end_session_endpoint: str | None = None
    authorization_response_iss_parameter_supported: bool = False


class _Answer(Model):
    """The answer of the token endpoint (RFC 6749, section 5.1)."""

    access_token: str = Field(min_length=1, max_length=8192)
    token_type: str = Field(pattern="^[Bb]earer$")
    expires_in: int = Field(ge=1, le=86_400)
    refresh_token: str | None = Field(None, max_length=8192)
    id_token: str | None = Field(None, max_length=16_384)


class IssuerClient:
    """Asks one issuer. ``now`` is the machine's time; ``subject_claim`` has the id of a person."""

    def __init__(
        self,
        issuer: str,
        client_id: str,
        secret: SecretStr,
        redirect_uri: str,
        now: Callable[[], datetime],
        subject_claim: str = "sub",
    ) -> None:
        self._subject_claim = subject_claim
        self.url = issuer
        self.client_id = client_id
        self._secret = secret.get_secret_value()
        self._redirect_uri = redirect_uri
        self._now = now
        self._tls = ssl.create_default_context()
        self._known: tuple[float, _Metadata] | None = None
        self._keys: tuple[float, KeySet] | None = None

    async def login_address(self, state: str, nonce: str, verifier: str, **parameters: str) -> str:
        """Where a browser begins a login. Raises `IssuerUnavailable`."""
        endpoint = (await self.metadata()).authorization_endpoint
        async with self._client() as client:
            address: str
            address, _ = client.create_authorization_url(
                endpoint, state=state, nonce=nonce, code_verifier=verifier, **parameters
            )
            return address

    async def redeem(self, code: str, verifier: str) -> Given:
        """The tokens for a code. Raises `Refused` or `IssuerUnavailable`."""
        endpoint = (await self.metadata()).token_endpoint
        async with self._asking("code") as client:
            return self._given(
                await client.fetch_token(endpoint, grant_type="authorization_code", code=code, code_verifier=verifier)
            )

    async def renew(self, refresh_token: str) -> Given:
        """The tokens for a refresh token. Raises `Refused` or `IssuerUnavailable`."""
        endpoint = (await self.metadata()).token_endpoint
        async with self._asking("renewal") as client:
            return self._given(await client.refresh_token(endpoint, refresh_token=refresh_token))

    async def program_token(self, program: str, secret: SecretStr) -> Given:
        """The token of a program that acts by itself (RFC 6749, section 4.4). Raises `Refused` or
        `IssuerUnavailable`."""
        endpoint = (await self.metadata()).token_endpoint
        async with self._asking("program", program, secret.get_secret_value()) as client:
            return self._given(await client.fetch_token(endpoint, grant_type="client_credentials"))

    async def give_back(self, refresh_token: str | None) -> None:
        """Give a refresh token back that is not needed any more (RFC 7009). A failure is logged."""
        try:
            endpoint = (await self.metadata()).revocation_endpoint
            if endpoint and refresh_token:
                async with self._asking("revocation") as client:
                    await client.revoke_token(endpoint, refresh_token, "refresh_token")
        except (IssuerUnavailable, Refused) as failure:
            log.warning("a refresh token could not be given back", error=failure)

    async def log_out(self, identity: str) -> None:
        """End the login of an ID token at the issuer, without its standing in an address. A failure is logged: the
        browser goes to the issuer as well, which then asks the person."""
        try:
            endpoint = (await self.metadata()).end_session_endpoint
            if endpoint:
                async with self._asking("logout") as client:
                    fields = {"id_token_hint": identity, "client_id": self.client_id}
                    await client.request("POST", endpoint, data=fields, withhold_token=True)
        except (IssuerUnavailable, Refused) as failure:
            log.warning("a login could not be ended at the issuer", error=failure)

    async def person_of(self, given: Given, nonce: str, logged_in_after: datetime | None) -> Person:
        """The person of an ID token that was given for a code. ``logged_in_after``: he must have proved who he is since
        then. Raises `InvalidLogin` or `IssuerUnavailable`."""
        if given.identity is None:
            raise InvalidLogin("the issuer gives no ID token")
        try:
            token = jwt.decode(given.identity, await self._known_keys(), algorithms=ALGORITHMS)
        except InvalidKeyIdError:
            self._keys = None
            token = await self._decoded(given.identity)
        except (JoseError, ValueError, TypeError) as error:
            raise InvalidLogin(type(error).__name__) from None
        options = {"iss": {"value": self.url}, "aud": {"value": self.client_id}}
        parameters = {"nonce": nonce, "client_id": self.client_id, "access_token": given.access}
        claims = CodeIDToken(token.claims, token.header, options, parameters)
        try:
            claims.validate(now=int(self._now().timestamp()), leeway=LEEWAY_S)
            if token.header.get("typ") == "at+jwt":
                raise InvalidLogin("an access token is no ID token")
            if logged_in_after is not None:
                proved_at = datetime.fromtimestamp(claims["auth_time"], UTC)
                if proved_at < logged_in_after - timedelta(seconds=LEEWAY_S):
                    raise InvalidLogin("the person has not logged in anew")
            return _person(claims, self._subject_claim)
        except (JoseError, KeyError, ValueError, TypeError, OverflowError) as error:
            raise InvalidLogin(type(error).__name__) from None

    async def metadata(self) -> _Metadata:
        """The metadata of the issuer (OpenID Connect Discovery 1.0). Raises `IssuerUnavailable`."""
        if self._known is None or time.monotonic() - self._known[0] > KEPT_S:
            content = await self._json(f"{self.url.rstrip('/')}/.well-known/openid-configuration")
            try:
                metadata = _Metadata.model_validate(content)
                for endpoint in (metadata.authorization_endpoint, metadata.token_endpoint, metadata.jwks_uri):
                    encrypted_url(endpoint)
            except ValueError as error:
                raise self._unusable("metadata", error) from None
            if metadata.issuer != self.url:
                raise self._unusable("metadata", "it is of another issuer; check ONEDOOR_ISSUER")
            self._known = time.monotonic(), metadata
        return self._known[1]

    async def _decoded(self, identity: str) -> Any:
        try:
            return jwt.decode(identity, await self._known_keys(), algorithms=ALGORITHMS)
        except (JoseError, ValueError, TypeError) as error:
            raise InvalidLogin(type(error).__name__) from None

    async def _known_keys(self) -> KeySet:
        if self._keys is None or time.monotonic() - self._keys[0] > KEPT_S:
            content = await self._json((await self.metadata()).jwks_uri)
            try:
                self._keys = time.monotonic(), KeySet.import_key_set(content)
            except (JoseError, ValueError, KeyError, TypeError) as error:
                raise self._unusable("keys", error) from None
        return self._keys[1]

    def _client(self, program: str | None = None, secret: str | None = None) -> AsyncOAuth2Client:
        # One for each request: it keeps the tokens of the latest one.
        return AsyncOAuth2Client(
            program or self.client_id,
            secret or self._secret,
            scope=None if program else SCOPE,
            redirect_uri=self._redirect_uri,
            code_challenge_method="S256",
            timeout=TIMEOUT_S,
            verify=self._tls,
            trust_env=False,
        )

    @asynccontextmanager
    async def _asking(
        self, purpose: str, program: str | None = None, secret: str | None = None
    ) -> AsyncIterator[AsyncOAuth2Client]:
        try:
            async with asyncio.timeout(LONGEST_S), self._client(program, secret) as client:
                yield client
        except OAuthError as error:
            if error.error == "invalid_grant" or (program and error.error in ("invalid_client", "unauthorized_client")):
                raise Refused from None
            raise self._unusable(purpose, f"it refuses the program: {str(error.error)[:100]}") from None
        except (httpx2.HTTPError, TimeoutError, ValueError, OSError) as error:
            raise self._unusable(purpose, error) from None

    async def _json(self, url: str) -> Any:
        async with self._asking(url.rpartition("/")[2]) as client:
            response = await client.request("GET", url, withhold_token=True)
            response.raise_for_status()
            return response.json()

    def _given(self, answer: Mapping[str, Any]) -> Given:
        try:
            valid = _Answer.model_validate(dict(answer))
        except ValidationError as error:
            raise self._unusable("tokens", error) from None
        expires_at = self._now() + timedelta(seconds=valid.expires_in)
        return Given(valid.access_token, expires_at, valid.refresh_token, valid.id_token)

    def _unusable(self, purpose: str, reason: Exception | str) -> IssuerUnavailable:
        log.warning("the issuer of logins is of no use", purpose=purpose, reason=reason)
        return IssuerUnavailable()


def _person(claims: Mapping[str, Any], subject_claim: str) -> Person:
    person_id = claims[subject_claim]
    name = claims.get("name") or claims.get("preferred_username") or person_id
    if not (isinstance(person_id, str) and 0 < len(person_id) <= 255 and isinstance(name, str)):
        raise InvalidLogin("it names nobody")
    return Person(person_id, name[:200])
