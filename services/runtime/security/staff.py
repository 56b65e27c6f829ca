"""Access to the pages and endpoints of staff and operators: always with a token.

The address of a client proves nothing. A proxy on this machine calls from this machine, and many a proxy puts the
address of the service into the Host header.
"""

from hmac import compare_digest
from typing import Annotated, Any

from fastapi import Depends, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import SecretStr

from contracts.bilingual import both
from services.runtime.configuration import WrongSetting

_TOKEN = HTTPBearer(auto_error=False, scheme_name="staff", description="The token of staff and operators.")

Given = Annotated[HTTPAuthorizationCredentials | None, Depends(_TOKEN)]


def staff_only(api_token: SecretStr | None) -> Any:
    """A FastAPI dependency, to stand in the ``dependencies`` of a route or router.

    A request must carry the token (``Authorization: Bearer``, RFC 6750), or it gets 401. Raises `WrongSetting` if
    there is no token.
    """
    if api_token is None:
        raise WrongSetting(
            both(
                "ONEDOOR_API_TOKEN is not set. Endpoints of staff and operators always require a token: set one "
                "of at least 16 characters, such as the output of 'openssl rand -base64 32'.",
                "未设置 ONEDOOR_API_TOKEN。工作人员和运维人员的接口必须使用令牌：请设置至少 16 个字符的令牌，"
                "例如 openssl rand -base64 32 的输出。",
            )
        )
    token = api_token.get_secret_value().encode()

    async def check(given: Given) -> None:
        # Compare in constant time, so that the response time does not reveal how much of a guess is right.
        if given is None or not compare_digest(given.credentials.strip().encode(), token):
            raise HTTPException(401, "a valid bearer token is needed", headers={"WWW-Authenticate": "Bearer"})

    return Depends(check)
