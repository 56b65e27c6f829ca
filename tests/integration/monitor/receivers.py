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
class Post:
    """A mail server, and what it was given. ``refuses``: its answer to every mail, if it takes none."""

    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)
    refuses: str | None = None

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.refuses is not None:
            return self.refuses
        parsed: Any = BytesParser(policy=default).parsebytes(envelope.original_content or b"")
        self.mails.append(parsed)
        return "250 OK"


@asynccontextmanager
async def mail_server() -> AsyncIterator[Post]:
    post = Post()
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(post, hostname="localhost"), "127.0.0.1", 0)
    post.port = server.sockets[0].getsockname()[1]
    try:
        yield post
    finally:
        server.close()


@dataclass
class Hooks:
    """A server of web hooks, and what it was posted. ``answers``: to the next ones, the last for ever."""

    url: str = ""
    posted: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    answers: list[Callable[[], web.StreamResponse]] = field(default_factory=lambda: [web.Response])
    elsewhere: int = 0
    """Requests to where it was not sent."""

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path != "/hook/smith":
            self.elsewhere += 1
            return web.Response()
        self.posted.append((dict(request.headers), await request.read()))
        return (self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])()


@asynccontextmanager
async def hook_server() -> AsyncIterator[Hooks]:
    hooks = Hooks()
    runner = web.ServerRunner(web.Server(hooks.handle))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    hooks.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield hooks
    finally:
        await runner.cleanup()
