"""Robots of chat groups: WeCom (企业微信), DingTalk (钉钉), Feishu (飞书).

They answer with HTTP status 200 also when they refuse a message; a code in the answer says so. What is too long for
them they refuse.

WeCom: https://developer.work.weixin.qq.com/document/path/91770.
DingTalk: https://open.dingtalk.com/document/robots/custom-robot-access.
Feishu: https://open.feishu.cn/document/client-docs/bot-v3/add-custom-bot.
"""

import json
from typing import Literal, NamedTuple

from services.monitor.core.notifications.digest_text import DigestText
from services.monitor.notifications.posting import DeliveryFailed, post

Service = Literal["wecom", "dingtalk", "feishu"]


class _Limits(NamedTuple):
    """``most_bytes``: of a text in UTF-8. ``code``, ``reason``: their names in the answer."""

    most_bytes: int
    code: str
    reason: str


_SERVICES: dict[Service, _Limits] = {
    "wecom": _Limits(2048, "errcode", "errmsg"),
    "dingtalk": _Limits(19_000, "errcode", "errmsg"),
    "feishu": _Limits(19_000, "code", "msg"),
}

CUT = "……"
"""Stands for the lines that a message is too short for."""


async def send_to_group(service: Service, url: str, text: DigestText) -> None:
    """Send a digest to a group, cut to what the robot takes. Raises `DeliveryFailed`, also if the robot refuses it."""
    limits = _SERVICES[service]
    content = cut(f"{text.subject}\n\n{text.text}", limits.most_bytes)
    if service == "feishu":
        body: dict[str, object] = {"msg_type": "text", "content": {"text": content}}
    else:
        body = {"msgtype": "text", "text": {"content": content}}
    answer = await post("the robot", url, json.dumps(body, ensure_ascii=False))
    try:
        found = json.loads(answer)
        code, reason = found[limits.code], found.get(limits.reason)
    except (ValueError, TypeError, KeyError, AttributeError):
        raise DeliveryFailed(f"the robot's answer has no {limits.code}: is this the address of one?") from None
    if code != 0:
        raise DeliveryFailed(f"the robot refused the message: {limits.code} {code}, {reason}")


def cut(text: str, most_bytes: int) -> str:
    """The text, or as many of its first lines as fit, with its last one, which has the numbers of the digests."""
    if len(text.encode()) <= most_bytes:
        return text
    *lines, last = text.rstrip().split("\n")
    end = f"{CUT}\n{last}"
    left = most_bytes - len(end.encode())
    kept = ""
    for line in lines:
        left -= len(f"{line}\n".encode())
        if left < 0:
            break
        kept += f"{line}\n"
    return kept + end
