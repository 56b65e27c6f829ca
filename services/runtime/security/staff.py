"""Who may use the pages and endpoints of staff and operators."""

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

    With a token, a request must carry it (``Authorization: Bearer``, RFC 6750); else it gets 401. Without one,
    only requests made from this machine to this machine are answered; others get 403.
    """
    return Depends(_bearer(api_token.get_secret_value().encode()) if api_token is not None else _loopback)


def _bearer(token: bytes) -> Callable[[HTTPAuthorizationCredentials | None], Awaitable[None]]:
    async def check(given: Given) -> None:
        # In constant time, so that the time to refuse does not tell how much of a guess was right.
        if given is None or not compare_digest(given.credentials.strip().encode(), token):
            raise HTTPException(401, "a valid bearer token is needed", headers={"WWW-Authenticate": "Bearer"})

    return check


async def _loopback(request: Request) -> None:
    # The Host header is looked at too: it tells apart what a proxy on this machine passes on for others, and what
    # a foreign page makes a browser on this machine ask by pointing its own name at this address.
    client = request.client.host if request.client is not None else ""
    if not (is_loopback(client) and is_loopback(request.url.hostname or "")):
        raise HTTPException(403, "open to this machine only; set ONEDOOR_API_TOKEN to open it to others")
