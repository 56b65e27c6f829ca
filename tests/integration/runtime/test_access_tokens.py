"""Access tokens are verified by the keys that a real issuer publishes over HTTP."""

import hmac
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web
from joserfc import jwt
from joserfc.jwk import ECKey, Key, OctKey, OKPKey, RSAKey

from services.runtime.security.access_tokens import (
    KEYS_AGE_S,
    KEYS_KEPT_S,
    PAUSE_S,
    InvalidToken,
    KeysUnavailable,
    TokenVerifier,
)
from tests.support.waiting import eventually

AUDIENCE = "onedoor"
NOW = datetime(2026, 11, 28, 4, 0, tzinfo=UTC)

FIRST_KEY = RSAKey.generate_key(2048, parameters={"kid": "first", "use": "sig"})
SECOND_KEY = RSAKey.generate_key(2048, parameters={"kid": "second"})


class Issuer:
    """An issuer. ``requests`` counts the requests for its keys."""

    def __init__(self) -> None:
        self.url = ""
        self.keys: list[Key] = [FIRST_KEY]
        self.published: dict[str, Any] | None = None
        self.requests = 0
        self.down = False

    def token(self, key: Key | None = None, algorithm: str = "RS256", typ: str = "at+jwt", **claims: Any) -> str:
        signing = key or self.keys[0]
        header = {"alg": algorithm, "typ": typ, "kid": signing.kid}
        content = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": "zhang-san",
            "client_id": "pages",
            "iat": int(NOW.timestamp()),
            "exp": int(NOW.timestamp()) + 600,
            "scope": "openid cases",
        } | claims
        content = {name: value for name, value in content.items() if value is not None}
        return jwt.encode(header, content, signing, algorithms=[algorithm])

    async def metadata(self, _: web.Request) -> web.Response:
        return web.json_response({"issuer": self.url, "jwks_uri": f"{self.url}/keys"})

    async def jwks(self, _: web.Request) -> web.Response:
        self.requests += 1
        if self.down:
            raise web.HTTPServiceUnavailable
        return web.json_response(self.published or {"keys": [key.as_dict(private=False) for key in self.keys]})


class Elapsed:
    """Machine seconds that a test moves."""

    def __init__(self) -> None:
        self.s = 1000.0

    def __call__(self) -> float:
        return self.s


@asynccontextmanager
async def serving(issuer: Issuer) -> AsyncIterator[None]:
    app = web.Application()
    app.router.add_get("/.well-known/openid-configuration", issuer.metadata)
    app.router.add_get("/keys", issuer.jwks)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        issuer.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield
    finally:
        await runner.cleanup()


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    issuer = Issuer()
    async with serving(issuer):
        yield issuer


@pytest.fixture
def elapsed() -> Elapsed:
    return Elapsed()


@pytest.fixture
async def verifier(issuer: Issuer, elapsed: Elapsed) -> AsyncIterator[TokenVerifier]:
    verifier = TokenVerifier(issuer.url, AUDIENCE, lambda: NOW, elapsed)
    yield verifier
    await verifier.close()


async def test_a_token_of_the_issuer_says_who_acts_by_which_program(issuer: Issuer, verifier: TokenVerifier) -> None:
    token = await verifier.verify(issuer.token(auth_time=int(NOW.timestamp()) - 60))
    assert (token.subject, token.client, token.scopes) == ("zhang-san", "pages", frozenset({"openid", "cases"}))
    assert token.expires_at == NOW + timedelta(minutes=10)
    assert token.authenticated_at == NOW - timedelta(minutes=1)
    await verifier.verify(issuer.token())
    assert issuer.requests == 1


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"exp": int(NOW.timestamp())}, "expired"),
        ({"nbf": int(NOW.timestamp()) + 1}, "not valid yet"),
        ({"iss": "http://127.0.0.1:1"}, "another issuer"),
        ({"aud": "another"}, "another audience"),
        ({"aud": ["another", "third"]}, "another audience"),
        ({"client_id": None}, "name its client"),
        ({"sub": None}, "malformed"),
        ({"exp": None}, "malformed"),
        ({"exp": "4102444800"}, "malformed"),
        ({"exp": True}, "malformed"),
        ({"sub": ""}, "malformed"),
        ({"sub": "x" * 256}, "malformed"),
        ({"typ": "at+jwt", "scope": ["cases"]}, "malformed"),
    ],
)
async def test_a_token_with_other_claims_gives_no_access(
    issuer: Issuer, verifier: TokenVerifier, claims: dict[str, Any], reason: str
) -> None:
    with pytest.raises(InvalidToken, match=reason):
        await verifier.verify(issuer.token(**claims))


async def test_another_token_of_the_same_issuer_is_no_access_token(issuer: Issuer, verifier: TokenVerifier) -> None:
    for typ in ("JWT", "id+jwt", "logout+jwt"):
        with pytest.raises(InvalidToken, match="no access token"):
            await verifier.verify(issuer.token(typ=typ))


async def test_an_audience_among_several_is_enough_and_keycloak_names_the_client_in_azp(
    issuer: Issuer, verifier: TokenVerifier
) -> None:
    token = await verifier.verify(issuer.token(aud=["account", AUDIENCE], client_id=None, azp="pages"))
    assert token.client == "pages"


async def test_a_forged_token_gives_no_access(issuer: Issuer, verifier: TokenVerifier) -> None:
    mine = RSAKey.generate_key(2048, parameters={"kid": "first"})
    with pytest.raises(InvalidToken, match="signature"):
        await verifier.verify(issuer.token(mine))
    header, payload, signature = issuer.token().split(".")
    other = issuer.token(sub="li-si").split(".")[1]
    none = jwt.encode({"alg": "none", "kid": "first", "typ": "at+jwt"}, {"sub": "li-si"}, mine, algorithms=["none"])
    for forged in (f"{header}.{other}.{signature}", f"{header}.{payload}.", none, none.rstrip("."), "", ".", "a.b.c"):
        with pytest.raises(InvalidToken):
            await verifier.verify(forged)


async def test_the_public_key_is_no_secret_to_sign_with(issuer: Issuer, verifier: TokenVerifier) -> None:
    """Key confusion: HS256 with the text of the public key as the secret."""
    payload = issuer.token().split(".")[1]
    header = urlsafe_b64encode(b'{"alg":"HS256","typ":"at+jwt","kid":"first"}').rstrip(b"=").decode()
    public = FIRST_KEY.as_pem(private=False)
    for secret in (public, public.strip(), FIRST_KEY.as_der(private=False)):
        digest = hmac.digest(secret, f"{header}.{payload}".encode(), "sha256")
        with pytest.raises(InvalidToken):
            await verifier.verify(f"{header}.{payload}.{urlsafe_b64encode(digest).rstrip(b'=').decode()}")


async def test_a_secret_among_the_published_keys_is_not_used(issuer: Issuer, verifier: TokenVerifier) -> None:
    secret = OctKey.generate_key(256, parameters={"kid": "shared"})
    issuer.published = {"keys": [issuer.keys[0].as_dict(private=False), secret.as_dict(private=True)]}
    with pytest.raises(InvalidToken):
        await verifier.verify(issuer.token(secret, "HS256"))


async def test_keys_that_are_not_understood_do_not_hide_the_others(issuer: Issuer, verifier: TokenVerifier) -> None:
    first = issuer.keys[0].as_dict(private=False)
    issuer.published = {
        "keys": [
            {"kty": "AKP", "kid": "new", "alg": "ML-DSA-44", "pub": "AA"},
            {"kty": "RSA", "kid": "broken", "n": "AA", "e": ""},
            {**first, "kid": "enc", "use": "enc", "alg": "RSA-OAEP"},
            first,
        ]
    }
    await verifier.verify(issuer.token())


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (ECKey.generate_key("P-256", parameters={"kid": "ec"}), "ES256"),
        (OKPKey.generate_key("Ed25519", parameters={"kid": "ed"}), "Ed25519"),
        (RSAKey.generate_key(2048, parameters={"kid": "pss"}), "PS256"),
    ],
)
async def test_other_signatures_with_a_private_key(
    issuer: Issuer, verifier: TokenVerifier, key: Key, algorithm: str
) -> None:
    issuer.keys.append(key)
    await verifier.verify(issuer.token(key, algorithm))


async def test_a_new_key_is_known_at_its_first_token(issuer: Issuer, verifier: TokenVerifier, elapsed: Elapsed) -> None:
    await verifier.verify(issuer.token())
    issuer.keys.append(SECOND_KEY)
    elapsed.s += PAUSE_S
    await verifier.verify(issuer.token(issuer.keys[1]))
    assert issuer.requests == 2


async def test_tokens_with_unknown_keys_do_not_reach_the_issuer_each(
    issuer: Issuer, verifier: TokenVerifier, elapsed: Elapsed
) -> None:
    await verifier.verify(issuer.token())
    for number in range(20):
        with pytest.raises(InvalidToken, match="no key"):
            await verifier.verify(issuer.token(ECKey.generate_key("P-256", parameters={"kid": f"f{number}"}), "ES256"))
    assert issuer.requests == 1


async def test_a_withdrawn_key_counts_no_longer(issuer: Issuer, verifier: TokenVerifier, elapsed: Elapsed) -> None:
    stolen = issuer.token()
    await verifier.verify(stolen)
    issuer.keys = [SECOND_KEY]
    elapsed.s += KEYS_AGE_S

    async def refused() -> bool:
        try:
            await verifier.verify(stolen)  # the known keys serve until the new ones have come
        except InvalidToken:
            return True
        return False

    await eventually(refused)


async def test_known_keys_count_for_a_day_while_the_issuer_is_down(
    issuer: Issuer, verifier: TokenVerifier, elapsed: Elapsed
) -> None:
    issuer.down = True
    with pytest.raises(KeysUnavailable):
        await verifier.verify(issuer.token())
    issuer.down = False
    elapsed.s += PAUSE_S
    await verifier.verify(issuer.token())
    issuer.down = True
    elapsed.s += KEYS_KEPT_S - 1
    await verifier.verify(issuer.token())
    elapsed.s += PAUSE_S
    with pytest.raises(KeysUnavailable):
        await verifier.verify(issuer.token())


async def test_metadata_of_another_issuer_give_no_keys(elapsed: Elapsed) -> None:
    issuer = Issuer()
    async with serving(issuer):
        verifier = TokenVerifier(issuer.url.replace("127.0.0.1", "localhost"), AUDIENCE, lambda: NOW, elapsed)
        with pytest.raises(KeysUnavailable):
            await verifier.verify(issuer.token())
