"""Access tokens: JSON Web Tokens of one issuer (RFC 9068), verified without asking the issuer about each.

The issuer's public keys are found by its metadata (OpenID Connect Discovery 1.0) and kept. They are read again when
they are old, and when a token names a key that is not among them. While the issuer cannot be reached, known keys count
on for a day.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any, NamedTuple

from aiohttp import ClientError, ClientSession, ClientTimeout, DummyCookieJar
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import JWKRegistry, Key, KeySet
from pydantic import BeforeValidator, Field, ValidationError

from contracts.bilingual import BilingualError
from contracts.faults import fault
from contracts.values import Model
from services.runtime import telemetry
from services.runtime.clock import machine_now
from services.runtime.security.encryption import encrypted_url

ALGORITHMS = ("RS256", "PS256", "ES256", "Ed25519")
"""Signatures with a private key. Neither a shared secret (HS256) nor ``none`` is a signature of the issuer alone."""

KEY_TYPES = frozenset({"RSA", "EC", "OKP"})
"""The kinds of keys with a public part (RFC 7518, section 6.1; RFC 8037)."""

TOKEN_TYPES = frozenset({"at+jwt", "application/at+jwt"})
"""The ``typ`` of an access token (RFC 9068, section 2.1). No other token of the same issuer can take its place."""

MOST_CHARACTERS = 8192
"""The longest token that is read."""

KEYS_AGE_S = 600.0
"""Machine seconds after which the keys are read again. A key that the issuer withdraws counts no longer than that."""

KEYS_KEPT_S = 86_400.0
"""Machine seconds for which known keys count while the issuer cannot be reached."""

PAUSE_S = 10.0
"""Machine seconds between two attempts to read the keys. Forged tokens with unknown keys do not reach the issuer."""

TIMEOUT_S = 5.0
"""Machine seconds for one answer of the issuer."""

MOST_BYTES = 256 * 1024
"""The longest answer of the issuer that is read."""

log = telemetry.logger(__name__)


class InvalidToken(Exception):
    """The token gives no access. The text says why, and repeats nothing of the token."""


class KeysUnavailable(BilingualError):
    """The keys of the issuer are not known, so that no token can be verified."""

    def __init__(self) -> None:
        super().__init__(
            "logins cannot be verified: the issuer of logins does not answer; check ONEDOOR_ISSUER, and try again",
            "无法验证登录：登录签发方没有应答；请检查 ONEDOOR_ISSUER 后重试",
        )


class AccessToken(NamedTuple):
    """A verified token.

    ``subject`` is the person, or the program itself where it acts for nobody; ``client`` the program that uses the
    token. ``authenticated_at`` is when the person has logged in, None if the issuer does not say it. ``name``: what
    people call the person.
    """

    subject: str
    client: str
    scopes: frozenset[str]
    expires_at: datetime
    authenticated_at: datetime | None
    name: str | None = None


def _listed(value: object) -> object:
    return (value,) if isinstance(value, str) else value


_Text = Annotated[str, Field(min_length=1, max_length=255)]
_Seconds = Annotated[float, Field(strict=True, ge=0, le=1e11, allow_inf_nan=False)]


class _Claims(Model):
    """The claims of an access token (RFC 9068, section 2.2). Keycloak names the client in ``azp``."""

    iss: _Text
    aud: Annotated[tuple[_Text, ...], BeforeValidator(_listed)]
    sub: _Text
    exp: _Seconds
    iat: _Seconds
    nbf: _Seconds = 0
    client_id: _Text | None = None
    azp: _Text | None = None
    scope: str = ""
    auth_time: _Seconds | None = None
    name: str | None = None


class _Metadata(Model):
    issuer: str
    jwks_uri: str


class _Published(Model):
    keys: list[dict[str, Any]]


class TokenVerifier:
    """Verifies the access tokens of one issuer for one audience. ``elapsed`` counts machine seconds.

    ``subject_claim``: the claim that has the id of the person or program; some issuers have numbers of their own in
    ``sub``. ``keys``: reads the keys of the issuer in another way than by its metadata; raises `ValueError`.
    """

    def __init__(
        self,
        issuer: str,
        audience: str,
        now: Callable[[], datetime] = machine_now,
        elapsed: Callable[[], float] = time.monotonic,
        subject_claim: str = "sub",
        keys: Callable[[], Awaitable[KeySet]] | None = None,
    ) -> None:
        self._subject_claim = subject_claim
        self._keys_now = keys if keys is not None else partial(_keys_of, issuer)
        self._issuer = issuer
        self._audience = audience
        self._now = now
        self._elapsed = elapsed
        self._keys: KeySet | None = None
        self._read_at = self._tried_at = float("-inf")
        self._reading = asyncio.Lock()
        self._renewal: asyncio.Task[None] | None = None

    async def close(self) -> None:
        """Stop reading keys."""
        if self._renewal is not None:
            self._renewal.cancel()
            await asyncio.wait([self._renewal])

    async def verify(self, token: str) -> AccessToken:
        """The content of a token. Raises `InvalidToken` or `KeysUnavailable`."""
        if len(token) > MOST_CHARACTERS:
            raise InvalidToken("the token is too long")
        keys = await self._known_keys()
        try:
            return self._verified(token, keys)
        except InvalidKeyIdError:
            await self._read_keys()
            keys = await self._known_keys()
        try:
            return self._verified(token, keys)
        except InvalidKeyIdError:
            raise InvalidToken("the issuer has no key of this name") from None

    def _verified(self, token: str, keys: KeySet) -> AccessToken:
        """Raises `InvalidKeyIdError` for a key that is not known, and `InvalidToken`."""
        try:
            decoded = jwt.decode(token, keys, algorithms=ALGORITHMS)
            claims = _Claims.model_validate({**decoded.claims, "sub": decoded.claims.get(self._subject_claim)})
        except InvalidKeyIdError:
            raise
        except (JoseError, ValidationError, ValueError, TypeError) as error:
            raise InvalidToken(f"the token is malformed or its signature is wrong ({type(error).__name__})") from None
        if str(decoded.header.get("typ", "")).lower() not in TOKEN_TYPES:
            raise InvalidToken("the token is no access token")
        if claims.iss != self._issuer:
            raise InvalidToken("the token is of another issuer")
        if self._audience not in claims.aud:
            raise InvalidToken("the token is for another audience")
        now = self._now().timestamp()
        if claims.exp <= now:
            raise InvalidToken("the token has expired")
        if claims.nbf > now:
            raise InvalidToken("the token is not valid yet")
        if (client := claims.client_id or claims.azp) is None:
            raise InvalidToken("the token does not name its client")
        return AccessToken(
            claims.sub,
            client,
            frozenset(claims.scope.split()),
            datetime.fromtimestamp(claims.exp, UTC),
            None if claims.auth_time is None else datetime.fromtimestamp(claims.auth_time, UTC),
            claims.name,
        )

    async def _known_keys(self) -> KeySet:
        age_s = self._elapsed() - self._read_at
        if self._keys is None or age_s >= KEYS_KEPT_S:
            await self._read_keys()
            if self._keys is None or self._elapsed() - self._read_at >= KEYS_KEPT_S:
                raise KeysUnavailable
        elif age_s >= KEYS_AGE_S and (self._renewal is None or self._renewal.done()):
            self._renewal = asyncio.create_task(self._read_keys())  # the known keys serve meanwhile
        return self._keys

    async def _read_keys(self) -> None:
        """Read the keys, unless that was just tried. A failure is logged, and the known keys stay."""
        async with self._reading:
            if self._elapsed() - self._tried_at < PAUSE_S:
                return
            self._tried_at = self._elapsed()
            try:
                self._keys = await self._keys_now()
            except (ClientError, TimeoutError, JoseError, ValueError) as error:
                log.warning("the keys of the issuer of logins cannot be read", error=error)
            else:
                self._read_at = self._elapsed()


async def _keys_of(issuer: str) -> KeySet:
    """The keys that an issuer publishes. Raises `aiohttp.ClientError`, `TimeoutError` or `ValueError`."""
    timeout = ClientTimeout(total=TIMEOUT_S)
    async with ClientSession(timeout=timeout, cookie_jar=DummyCookieJar(), raise_for_status=True) as session:
        metadata = _Metadata.model_validate_json(await _get(session, f"{issuer}/.well-known/openid-configuration"))
        if metadata.issuer != issuer:
            raise fault("the metadata is of another issuer", "元数据属于另一签发方")
        content = await _get(session, encrypted_url(metadata.jwks_uri))
    return keys_of(_Published.model_validate_json(content).keys)


def keys_of(published: Iterable[dict[str, Any]]) -> KeySet:
    """The keys for signatures among these that an issuer publishes. Raises `ValueError` if there are none."""
    keys: list[Key] = []
    for one in published:
        if one.get("kty") in KEY_TYPES and one.get("use", "sig") == "sig":
            with suppress(JoseError, ValueError, TypeError):  # a key that is not understood is no reason to know none
                keys.append(JWKRegistry.import_key(one))
    if not keys:
        raise fault("the issuer publishes no key that is understood here", "签发方没有公布可识别的密钥")
    return KeySet(keys)


async def _get(session: ClientSession, url: str) -> bytes:
    async with session.get(url, allow_redirects=False) as response:
        body = await response.content.read(MOST_BYTES + 1)
        while len(body) <= MOST_BYTES and not response.content.at_eof():
            body += await response.content.read(MOST_BYTES + 1)
        if len(body) > MOST_BYTES:
            raise fault("the answer of the issuer is too long", "签发方的答复过长")
        return body
