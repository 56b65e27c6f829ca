"""Robots of chat groups, whose answer has status 200 also when they refuse a message."""

import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from services.monitor.core.notifications.digest_text import DigestText
from services.monitor.notifications.channels import OutgoingDigest, send
from services.monitor.notifications.chat_bots import CUT, cut
from services.monitor.notifications.posting import DeliveryFailed
from services.monitor.settings import MonitorSettings
from tests.support.messages import at

FINE = {"wecom": {"errcode": 0, "errmsg": "ok"}, "dingtalk": {"errcode": 0}, "feishu": {"code": 0, "msg": "success"}}


class Robot:
    """Answers every message in this way."""

    def __init__(self) -> None:
        self.answer: web.Response = web.Response()
        self.received: list[Any] = []

    async def handle(self, request: web.Request) -> web.Response:
        self.received.append(await request.json())
        return self.answer


@pytest.fixture
async def robot() -> Robot:
    return Robot()


@pytest.fixture
async def server(robot: Robot) -> AsyncIterator[TestServer]:
    app = web.Application()
    app.router.add_post("/send", robot.handle)
    server = TestServer(app)
    await server.start_server()
    yield server
    await server.close()


async def deliver(server: TestServer, service: str, text: str = "第7号\n") -> None:
    channels = {"group": {"bot": service, "url": str(server.make_url("/send?key=1"))}}
    settings = MonitorSettings.model_validate({"channels": channels})
    digest = DigestText(languages=("zh",), subject="onedoor 督办：红牌1件", text=text, counts={"red": 1})
    await send(
        OutgoingDigest(uuid4(), (7,), ("wang",), "group:heads", at("2026-03-06 16:00"), digest), settings.channels, 5
    )


@pytest.mark.parametrize("service", FINE)
async def test_a_message_that_the_robot_takes_is_sent(server: TestServer, robot: Robot, service: str) -> None:
    robot.answer = web.json_response(FINE[service])
    await deliver(server, service)
    (message,) = robot.received
    assert "onedoor 督办：红牌1件\n\n第7号" in json.dumps(message, ensure_ascii=False).replace("\\n", "\n")


@pytest.mark.parametrize(
    ("service", "status", "answer", "reason"),
    [
        ("wecom", 200, '{"errcode":40058,"errmsg":"text.content exceed max length 2048"}', "errcode 40058, text"),
        ("wecom", 200, '{"errcode":45009,"errmsg":"api freq out of limit"}', "45009"),
        ("wecom", 200, '{"errcode":93000,"errmsg":"invalid webhook url"}', "93000"),
        ("dingtalk", 200, '{"errcode":310000,"errmsg":"keywords not in content"}', "310000"),
        ("feishu", 200, '{"code":9499,"msg":"Bad Request","data":{}}', "code 9499, Bad Request"),
        ("feishu", 200, '{"errcode":0}', "has no code"),
        ("wecom", 200, "<html>登录</html>", "has no errcode"),
        ("wecom", 200, "[]", "has no errcode"),
        ("wecom", 502, "", "answered 502"),
    ],
)
async def test_a_message_that_the_robot_refuses_is_not_sent(
    server: TestServer, robot: Robot, service: str, status: int, answer: str, reason: str
) -> None:
    robot.answer = web.Response(status=status, text=answer)
    with pytest.raises(DeliveryFailed, match=reason):
        await deliver(server, service)


async def test_a_long_digest_is_cut_to_what_the_robot_takes(server: TestServer, robot: Robot) -> None:
    robot.answer = web.json_response(FINE["wecom"])
    lines = "".join(f"  红牌 第{n}号，某某局\n" for n in range(200))
    await deliver(server, "wecom", f"{lines}\nonedoor 督办通知第7号\n")
    content = robot.received[0]["text"]["content"]
    assert len(content.encode()) <= 2048
    assert content.startswith("onedoor 督办") and content.endswith(f"局\n{CUT}\nonedoor 督办通知第7号")


def test_what_fits_is_not_cut() -> None:
    assert cut("红牌\n第7号\n", 100) == "红牌\n第7号\n"
    assert cut("一" * 100 + "\n第7号\n", 30) == f"{CUT}\n第7号"
