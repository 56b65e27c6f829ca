"""A program that uses the issuer: it begins logins and asks for tokens."""

import json
import secrets
from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

from tests.support.identity.browser import Answer, Browser
from tests.support.identity.issuing import PAGES_BACK, PASSWORD


class Program:
    """The pages, or another program with the code flow."""

    def __init__(self, browser: Browser, client_id: str = "pages", redirect_uri: str = PAGES_BACK) -> None:
        self.browser = browser
        self.client_id = client_id
        self.redirect_uri = redirect_uri
        self.verifier = secrets.token_urlsafe(48)

    def request(self, **changes: str | None) -> str:
        """The path of a login with these parameters instead of the usual ones; None leaves one out."""
        challenge = urlsafe_b64encode(sha256(self.verifier.encode()).digest()).decode().rstrip("=")
        fields: dict[str, str | None] = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "scope": "openid",
            "state": "state-1",
            "nonce": "nonce-1",
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        fields |= changes
        return "/authorize?" + urlencode({name: value for name, value in fields.items() if value is not None})

    async def code(self, person_id: str = "wang-fang", **changes: str | None) -> str:
        """A code after a login of this person, if none is open."""
        answer = await self.browser.get(self.request(**changes))
        if answer.location.startswith("/login"):
            answer = await self.browser.log_in(person_id, PASSWORD, answer.location)
            answer = await self.browser.get(answer.location)
        return answer.query["code"]

    async def token(self, **fields: str) -> Answer:
        """The answer of the token endpoint."""
        return await self.browser.post("/token", {"client_id": self.client_id} | fields)

    async def redeem(self, code: str, **changes: str) -> Answer:
        """The answer to a code."""
        fields = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_uri,
            "code_verifier": self.verifier,
        }
        return await self.token(**(fields | changes))

    async def refresh(self, token: str, **changes: str) -> Answer:
        """The answer to a refresh token."""
        return await self.token(**({"grant_type": "refresh_token", "refresh_token": token} | changes))

    async def tokens(self, person_id: str = "wang-fang", **changes: str | None) -> dict[str, Any]:
        """The tokens of this person after a login."""
        answer = await self.redeem(await self.code(person_id, **changes))
        assert answer.status == 200, answer.text
        return content(answer)


def content(answer: Answer) -> dict[str, Any]:
    """The JSON of an answer."""
    loaded: dict[str, Any] = json.loads(answer.text)
    return loaded
