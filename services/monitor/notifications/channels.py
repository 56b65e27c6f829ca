"""The ways by which a digest reaches a person: apprise's services, a signed web hook, a file.

Every message carries the id of its sending, which is the same however often it is tried: as ``webhook-id``, in the
header ``X-Onedoor-Sending`` of a mail, and as ``id`` in a file.
"""

import asyncio
import hmac
import json
import logging
import os
import time
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from http import HTTPStatus
from pathlib import Path
from types import ModuleType
from urllib.parse import quote
from uuid import UUID

from pydantic import SecretStr

from services.monitor.notifications.digest import DigestText
from services.monitor.settings import SECRET_PREFIX, ChannelSettings, FileSettings, HookSettings

PLACE = "{address}"
"""Stands for a person's address in the address of a channel."""

_MAIL = ("mailto://", "mailtos://")


@dataclass(frozen=True, slots=True)
class OutgoingDigest:
    """One digest to one address of one person."""

    id: UUID
    digest: int
    person: str
    address: str
    """With its channel before it: ``mail:zhou@example.gov.cn``."""
    sealed_at: datetime
    letter: DigestText

    @property
    def channel(self) -> str:
        """The name of the channel."""
        return self.address.partition(":")[0]


class NotSent(Exception):
    """It did not arrive, as far as is known. The message says why, for those who look after the platform."""


async def send(sending: OutgoingDigest, channels: Mapping[str, ChannelSettings], timeout_s: float) -> None:
    """Send it by the channel that its address names. Raises `NotSent`, after ``timeout_s`` at the latest."""
    name, _, address = sending.address.partition(":")
    channel = channels.get(name)
    try:
        async with asyncio.timeout(timeout_s):
            match channel:
                case None if not sending.address:
                    raise NotSent("this person has left the directory")
                case None:
                    raise NotSent(f"there is no channel {name!r}: ONEDOOR_CHANNELS does not name it")
                case HookSettings():
                    await _post(sending, address, channel)
                case FileSettings():
                    await asyncio.to_thread(_append, sending, address, channel.file)
                case SecretStr():
                    await asyncio.to_thread(_notify, sending, address, channel.get_secret_value(), timeout_s)
    except TimeoutError:
        raise NotSent(f"no answer within {timeout_s:g} s") from None


def _content(sending: OutgoingDigest, address: str) -> dict[str, object]:
    said = {"digest": sending.digest, "person": sending.person, "address": address}
    return {
        "type": "onedoor.digest.v1",
        "timestamp": sending.sealed_at.isoformat(),
        "data": {**said, **sending.letter.model_dump(mode="json")},
    }


# -- a signed web hook: https://www.standardwebhooks.com, version 1.0.0 ------------------------------------------------


def signature(secret: SecretStr, id: str, timestamp: int, body: bytes) -> str:
    """The signature of a message: HMAC-SHA256, version 1."""
    key = b64decode(secret.get_secret_value().removeprefix(SECRET_PREFIX))
    signed = hmac.digest(key, b"%s.%d.%s" % (id.encode(), timestamp, body), "sha256")
    return f"v1,{b64encode(signed).decode()}"


async def _post(sending: OutgoingDigest, address: str, channel: HookSettings) -> None:
    from aiohttp import ClientError, ClientSession, ClientTimeout, DummyCookieJar  # not small either

    body = json.dumps(_content(sending, address), ensure_ascii=False).encode()
    id, timestamp = str(sending.id), int(time.time())
    headers = {
        "Content-Type": "application/json",
        "webhook-id": id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature(channel.secret, id, timestamp, body),
    }
    url = channel.hook.replace(PLACE, quote(address, safe=""))
    try:
        # Not followed elsewhere: what it says is for this address alone.
        async with (
            ClientSession(cookie_jar=DummyCookieJar(), trust_env=False, timeout=ClientTimeout(total=None)) as session,
            session.post(url, data=body, headers=headers, allow_redirects=False) as answer,
        ):
            status = answer.status
    except (ClientError, OSError) as error:
        raise NotSent(f"the web hook is not reached: {type(error).__name__}") from None
    if not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        raise NotSent(f"the web hook answered {status}")


# -- a file ------------------------------------------------------------------------------------------------------------


def _append(sending: OutgoingDigest, address: str, file: Path) -> None:
    line = json.dumps({"id": str(sending.id), **_content(sending, address)}, ensure_ascii=False) + "\n"
    try:
        handle = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
        with os.fdopen(handle, "ab") as lines:
            lines.write(line.encode())
            lines.flush()
            os.fsync(handle)
    except OSError as error:
        raise NotSent(f"the file is not written: {error.strerror}") from None


# -- apprise -----------------------------------------------------------------------------------------------------------


@cache
def _apprise() -> ModuleType:
    import apprise  # large, and not needed where nobody is told by it

    # Its log names addresses. What it has to say of a failure is in the result.
    logger = logging.getLogger("apprise")
    logger.propagate = False
    logger.addHandler(logging.NullHandler())
    return apprise


def _notify(sending: OutgoingDigest, address: str, channel: str, timeout_s: float) -> None:
    apprise = _apprise()
    url = channel.replace(PLACE, quote(address, safe=""))
    if url.startswith(_MAIL):
        url += f"{'&' if '?' in url else '?'}+X-Onedoor-Sending={sending.id}"
    service = apprise.Apprise(asset=apprise.AppriseAsset(app_id="onedoor", app_desc="onedoor", secure_logging=True))
    if not service.add(url):
        raise NotSent("apprise knows no such service, or its address is incomplete")
    text = apprise.NotifyFormat.TEXT
    result = service.notify(body=sending.letter.text, title=sending.letter.subject, body_format=text, timeout=timeout_s)
    if not result:
        told = "; ".join(str(entry.message) for entry in result.logs())
        raise NotSent(f"{result.status.name.lower()}: {told}")
