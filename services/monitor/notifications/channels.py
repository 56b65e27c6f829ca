"""The channels by which a digest reaches a person: services of apprise, a signed web hook, a chat group, a file.

Each message carries the id of its delivery, which every attempt repeats: as ``webhook-id``, in the header
``X-Onedoor-Delivery`` of a mail, and as ``id`` in a file.
"""

import asyncio
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote
from uuid import UUID

from pydantic import SecretStr
from standardwebhooks import Webhook

from services.monitor import apprise_urls
from services.monitor.core.notifications.digest_text import DigestText
from services.monitor.notifications.chat_bots import send_to_group
from services.monitor.notifications.posting import DeliveryFailed, post
from services.monitor.settings import BotSettings, ChannelSettings, FileSettings, HookSettings

ADDRESS_PLACEHOLDER = "{address}"
"""Stands for a person's address in the address of a channel."""

_MAIL = ("mailto://", "mailtos://")


@dataclass(frozen=True, slots=True)
class OutgoingDigest:
    """The delivery of a person's digest to one address, or of the digests of all people who share it."""

    id: UUID
    digests: tuple[int, ...]
    people: tuple[str, ...]
    address: str
    """With its channel before it: ``mail:zhou@example.gov.cn``."""
    built_at: datetime
    text: DigestText

    @property
    def channel(self) -> str:
        """The name of the channel."""
        return self.address.partition(":")[0]


async def send(delivery: OutgoingDigest, channels: Mapping[str, ChannelSettings], timeout_s: float) -> None:
    """Send it by the channel of its address. Raises `DeliveryFailed`, after ``timeout_s`` at the latest."""
    name, _, address = delivery.address.partition(":")
    channel = channels.get(name)
    try:
        async with asyncio.timeout(timeout_s):
            match channel:
                case None if not delivery.address:
                    raise DeliveryFailed("this person has left the directory")
                case None:
                    raise DeliveryFailed(f"there is no channel {name!r}: ONEDOOR_CHANNELS does not name it")
                case HookSettings():
                    await _post(delivery, address, channel)
                case BotSettings():
                    await send_to_group(channel.bot, channel.url.get_secret_value(), delivery.text)
                case FileSettings():
                    await asyncio.to_thread(_append, delivery, address, channel.file)
                case SecretStr():
                    await asyncio.to_thread(_notify, delivery, address, channel.get_secret_value(), timeout_s)
    except TimeoutError:
        raise DeliveryFailed(f"no answer within {timeout_s:g} s") from None


def _content(delivery: OutgoingDigest, address: str) -> dict[str, object]:
    recipient = {"digests": delivery.digests, "people": delivery.people, "address": address}
    return {
        "type": "onedoor.digest.v1",
        "timestamp": delivery.built_at.isoformat(),
        "data": {**recipient, **delivery.text.model_dump(mode="json")},
    }


# -- a signed web hook: https://www.standardwebhooks.com, version 1.0.0 ------------------------------------------------


def signed_headers(secret: SecretStr, id: str, now: datetime, body: str) -> dict[str, str]:
    """The headers that sign a message: HMAC-SHA256, version 1."""
    signature = Webhook(secret.get_secret_value()).sign(id, now, body)
    return {"webhook-id": id, "webhook-timestamp": str(int(now.timestamp())), "webhook-signature": signature}


async def _post(delivery: OutgoingDigest, address: str, channel: HookSettings) -> None:
    body = json.dumps(_content(delivery, address), ensure_ascii=False)
    headers = signed_headers(channel.secret, str(delivery.id), datetime.now(UTC), body)
    await post("the web hook", channel.hook.replace(ADDRESS_PLACEHOLDER, quote(address, safe="")), body, headers)


# -- a file ------------------------------------------------------------------------------------------------------------


def _append(delivery: OutgoingDigest, address: str, file: Path) -> None:
    line = json.dumps({"id": str(delivery.id), **_content(delivery, address)}, ensure_ascii=False) + "\n"
    try:
        handle = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
        with os.fdopen(handle, "ab") as lines:
            lines.write(line.encode())
            lines.flush()
            os.fsync(handle)
    except OSError as error:
        raise DeliveryFailed(f"the file is not written: {error.strerror}") from None


# -- apprise -----------------------------------------------------------------------------------------------------------


def _notify(delivery: OutgoingDigest, address: str, channel: str, timeout_s: float) -> None:
    apprise = apprise_urls.apprise()
    url = channel.replace(ADDRESS_PLACEHOLDER, quote(address, safe=""))
    if url.startswith(_MAIL):
        # Without Auto-Submitted (RFC 3834) an absence notice would answer each digest.
        url += f"{'&' if '?' in url else '?'}+X-Onedoor-Delivery={delivery.id}&+Auto-Submitted=auto-generated"
    service = apprise.Apprise(asset=apprise.AppriseAsset(app_id="onedoor", app_desc="onedoor", secure_logging=True))
    if not service.add(url):
        raise DeliveryFailed("apprise knows no such service, or its address is incomplete")
    text = apprise.NotifyFormat.TEXT
    result = service.notify(body=delivery.text.text, title=delivery.text.subject, body_format=text, timeout=timeout_s)
    if not result:
        reasons = "; ".join(str(entry.message) for entry in result.logs())
        raise DeliveryFailed(f"{result.status.name.lower()}: {reasons}")
