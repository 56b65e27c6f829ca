"""Calls of commands to monitor: proxies of the environment, answers of others, and refusals in words."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
import typer

from services.operator.login.tokens import given_token
from services.operator.times.monitor_api import MonitorApi

TOKEN = "0123456789abcdef"
ELSEWHERE = "https://monitor.example.gov.cn"


class Answers(BaseHTTPRequestHandler):
    """Answers every request in this way."""

    status, content = 200, b"{}"

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(self.content)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture
def answering() -> Iterator[str]:
    """The address of a server that gives `Answers`."""
    server = HTTPServer(("127.0.0.1", 0), Answers)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:7890", "socks://127.0.0.1:7890/", "ftp://127.0.0.1:1"])
def test_a_proxy_that_is_none_of_http_is_named_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], proxy: str
) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    with pytest.raises(typer.Exit):
        MonitorApi(ELSEWHERE, TOKEN)
    assert "add monitor.example.gov.cn to NO_PROXY" in capsys.readouterr().err
    MonitorApi("http://127.0.0.1:8003", TOKEN)  # calls to this machine use no proxy
    monkeypatch.setenv("NO_PROXY", "example.gov.cn")
    MonitorApi(ELSEWHERE, TOKEN)


@pytest.mark.parametrize("token", ["令牌-0123456789", "0123456789\n0123456789"])
def test_a_token_that_no_header_can_have_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], token: str
) -> None:
    monkeypatch.setenv("ONEDOOR_TOKEN", token)
    with pytest.raises(typer.Exit):
        given_token()
    assert "ONEDOOR_TOKEN has characters" in capsys.readouterr().err


def test_the_line_end_of_a_token_from_a_file_is_none_of_it(answering: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONEDOOR_TOKEN", "0123456789abcdef\n")
    monkeypatch.setattr(Answers, "content", b"[]")
    assert MonitorApi(answering, given_token() or "").get("/doubtful-times", {}) == []


PROBLEM = {
    "title": "Fields of the request are wrong",
    "title_zh": "填写内容有误",
    "errors": [{"pointer": "#/counts_at", "detail": "is no date", "detail_zh": "不是日期"}],
}


@pytest.mark.parametrize(
    ("status", "content", "shown"),
    [
        (200, "<html>登录</html>".encode(), ["is not monitor, but a login or a proxy", "登录页"]),
        (502, b"<html>Bad Gateway</html>", ["(502): <html>Bad Gateway</html>"]),
        (
            422,
            json.dumps(PROBLEM).encode(),
            ["are wrong; #/counts_at: is no date / ", "填写内容有误；#/counts_at：不是日期"],
        ),
        (
            409,
            json.dumps({**PROBLEM, "detail": "Now.", "detail_zh": "现在。", "errors": []}).encode(),
            ["Now. / ", "现在。"],
        ),
    ],
)
def test_an_answer_that_is_no_success_is_told_in_words(
    answering: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    status: int,
    content: bytes,
    shown: list[str],
) -> None:
    monkeypatch.setattr(Answers, "status", status)
    monkeypatch.setattr(Answers, "content", content)
    with pytest.raises(typer.Exit):
        MonitorApi(answering, TOKEN).get("/doubtful-times", {})
    printed = capsys.readouterr().err
    assert all(text in printed for text in shown), printed
