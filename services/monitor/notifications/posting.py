"""A POST to a receiver of digests, and the failure of a delivery."""

from collections.abc import Mapping
from http import HTTPStatus

from services.runtime.http.retry_after import retry_after_s

KEPT_BYTES = 64 * 1024
"""The part of an answer that is read."""

HEAD_BYTES = 64 * 1024
"""The longest line of an answer's head: gateways with a login send long cookies."""


class DeliveryFailed(Exception):
    """The message did not arrive, as far as is known. The reason is for operators: it may contain an address.

    ``retry_after_s``: seconds for which the receiver asks for no message of this channel; 0 where it names no time.
    """

    def __init__(self, reason: str, retry_after_s: float = 0.0) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


async def post(receiver: str, url: str, body: str, headers: Mapping[str, str] = {}) -> bytes:
    """Post JSON. Returns the begin of the answer; raises `DeliveryFailed` unless its status is one of success.

    Redirects are not followed: the content is for this address alone. ``receiver`` names it in errors.
    """
    from aiohttp import ClientError, ClientSession, ClientTimeout, DummyCookieJar  # large, and used here only

    headers = {"Content-Type": "application/json", **headers}
    timeout = ClientTimeout(total=None)
    try:
        async with (
            ClientSession(
                cookie_jar=DummyCookieJar(), trust_env=False, timeout=timeout, max_field_size=HEAD_BYTES
            ) as session,
            session.post(url, data=body.encode(), headers=headers, allow_redirects=False) as answer,
        ):
            status, wait_s = answer.status, retry_after_s(answer.status, answer.headers)
            content = await answer.content.read(KEPT_BYTES)
    except (ClientError, OSError) as error:
        raise DeliveryFailed(f"{receiver} is not reached: {type(error).__name__}") from None
    if not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        raise DeliveryFailed(f"{receiver} answered {status}", wait_s)
    return content
