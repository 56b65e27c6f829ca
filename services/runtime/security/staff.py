"""Access to the pages and endpoints of staff and operators."""

from collections.abc import Awaitable, Callable
from hmac import compare_digest
from typing import Annotated, Any

from fastapi import Depends, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import SecretStr

from services.runtime.settings import is_loopback

_TOKEN = HTTPBearer(auto_error=False, scheme_name="staff", description="The token of staff and operators.")

Given = Annotated[HTTPAuthorizationCredentials | None, Depends(_TOKEN)]


def staff_only(api_token: SecretStr | None) -> Any:
    """A FastAPI dependency, to stand in the ``dependencies`` of a route or router.

    With a token, a request must carry it (``Authorization: Bearer``, RFC 6750), or it gets 401. Without a token, only
    requests from this machine to this machine are answered; others get 403.
    """
    return Depends(_bearer(api_token.get_secret_value().encode()) if api_token is not None else _loopback)


def _bearer(token: bytes) -> Callable[[HTTPAuthorizationCredentials | None], Awaitable[None]]:
    async def check(given: Given) -> None:
        # Compare in constant time, so that the response time does not reveal how much of a guess is right.
        if given is None or not compare_digest(given.credentials.strip().encode(), token):
            raise HTTPException(401, "a valid bearer token is needed", headers={"WWW-Authenticate": "Bearer"})

    return check


async def _loopback(request: Request) -> None:
    # The Host header must be a loopback name as well. Requests that a proxy on this machine forwards, and requests of a
    # foreign page whose name resolves to this address (DNS rebinding), carry other names.
    client = request.client.host if request.client is not None else ""
    if not (is_loopback(client) and is_loopback(request.url.hostname or "")):
        raise HTTPException(403, "open to this machine only; set ONEDOOR_API_TOKEN to open it to others")
