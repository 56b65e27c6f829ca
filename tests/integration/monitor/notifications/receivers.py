"""Real receivers of digests on this machine: a mail server, and a server of web hooks."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from typing import Any

from aiohttp import web
from aiosmtpd.smtp import SMTP, Envelope, Session


@dataclass
class MailServer:
    """A mail server. ``refuses``: its answer to every mail, if it accepts none."""

    port: int = 0
    received: list[EmailMessage] = field(default_factory=list)
    refuses: str | None = None

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.refuses is not None:
            return self.refuses
        parsed: Any = BytesParser(policy=default).parsebytes(envelope.original_content or b"")
        self.received.append(parsed)
        return "250 OK"


@asynccontextmanager
async def mail_server() -> AsyncIterator[MailServer]:
    mail = MailServer()
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(mail, hostname="localhost"), "127.0.0.1", 0)
    mail.port = server.sockets[0].getsockname()[1]
    try:
        yield mail
    finally:
        server.close()


@dataclass
class HookServer:
    """A server of web hooks. ``answers``: those to the next requests; the last one is repeated."""

    url: str = ""
    received: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    answers: list[Callable[[], web.StreamResponse]] = field(default_factory=lambda: [web.Response])
    elsewhere: int = 0
    """Requests to other paths."""

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path != "/hook/smith":
            self.elsewhere += 1
            return web.Response()
        self.received.append((dict(request.headers), await request.read()))
        return (self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])()


@asynccontextmanager
async def hook_server() -> AsyncIterator[HookServer]:
    hooks = HookServer()
    runner = web.ServerRunner(web.Server(hooks.handle))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    hooks.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield hooks
    finally:
        await runner.cleanup()
