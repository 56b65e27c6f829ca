"""The sandbox of the tax department's system: an HTTP server that hands out tokens and numbers.

POST /oauth/token                          a token, for client credentials (RFC 6749, section 4.4)
POST /applications                         take an application: 201 the first time, then 200, with its state
GET  /applications/decided?limit=          decided applications that have not been acknowledged
POST /applications/decided/acknowledged    applications that need not be reported again
"""

import asyncio
import hmac
import secrets
import socket
import time
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, unquote, unquote_plus

import uvicorn
from pydantic import BaseModel, Field, SecretStr, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from contracts.messages.plans import Outcome
from contracts.values import Model
from services.departments.sandbox.backend import SandboxBackend
from services.departments.sandbox.behaviour import Mistake
from services.departments.sandbox.group_commit import GroupCommit
from services.departments.sandbox.ledger import LedgerEntry
from services.departments.sandbox.settings import SandboxSettings
from services.departments.sdk.adapter import Clock
from services.departments.tax.translate import Application, Feed, FeedEntry, Standing
from services.runtime.http.connections.server import Server

NONSENSE = "<html>系统繁忙</html>"
MOST_ENTRIES = 1000

Handler = Callable[[Request], Awaitable[Response]]


class TaxSandboxSettings(SandboxSettings):
    """Settings of the sandbox."""

    host: str = Field("127.0.0.1", description="Address the sandbox listens on.")
    port: int = Field(8181, ge=0, le=65535, description="Port the sandbox listens on; 0 for any that is free.")
    client_id: str = Field("onedoor", min_length=1, description="The OAuth 2 client that it accepts.")
    client_secret: SecretStr = Field(min_length=16, description="That client's secret.")
    token_s: float = Field(600.0, gt=0, description="Seconds for which a token is valid.")
    no_answer_s: float = Field(30.0, gt=0, description="Seconds without an answer in the mistake 'no-answer'.")


class Acknowledged(Model):
    """The entries of the feed that have been processed."""

    entries: list[str]


class Tokens:
    """Bearer tokens with their expiry, signed with a key that lives as long as the process."""

    def __init__(self, lifetime_s: float) -> None:
        self._lifetime_s = lifetime_s
        self._key = secrets.token_bytes(32)

    def issue(self) -> str:
        claim = f"{time.monotonic() + self._lifetime_s:.3f}.{secrets.token_hex(8)}"
        return f"{claim}.{self._sign(claim)}"

    def valid(self, token: str) -> bool:
        claim, _, signature = token.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._sign(claim).encode()):
            return False
        return float(claim.rpartition(".")[0]) > time.monotonic()

    def _sign(self, claim: str) -> str:
        return hmac.new(self._key, claim.encode(), sha256).hexdigest()


class TaxSandbox:
    """The HTTP interface."""

    def __init__(self, settings: TaxSandboxSettings, backend: SandboxBackend) -> None:
        self._settings = settings
        self._backend = backend
        self._group_commit = GroupCommit(backend.take)
        self._tokens = Tokens(settings.token_s)

    def application(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/oauth/token", self._available(self.token), methods=["POST"]),
                Route("/applications", self._available(self._authorized(self.take)), methods=["POST"]),
                Route("/applications/decided", self._available(self._authorized(self.decided)), methods=["GET"]),
                Route(
                    "/applications/decided/acknowledged",
                    self._available(self._authorized(self.acknowledged)),
                    methods=["POST"],
                ),
            ]
        )

    def _available(self, handler: Handler) -> Handler:
        async def answer(request: Request) -> Response:
            return Response(status_code=503) if self._backend.away else await handler(request)

        return answer

    def _authorized(self, handler: Handler) -> Handler:
        async def authorized(request: Request) -> Response:
            kind, _, token = request.headers.get("authorization", "").partition(" ")
            if kind.lower() != "bearer" or not self._tokens.valid(token):
                return Response(status_code=401, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})
            return await handler(request)

        return authorized

    async def token(self, request: Request) -> Response:
        if not self._is_client(request.headers.get("authorization", "")):
            return JSONResponse({"error": "invalid_client"}, 401, {"WWW-Authenticate": "Basic"})
        form = parse_qs((await request.body()).decode())
        if form.get("grant_type") != ["client_credentials"]:
            return JSONResponse({"error": "unsupported_grant_type"}, 400)
        body = {"access_token": self._tokens.issue(), "token_type": "Bearer", "expires_in": int(self._settings.token_s)}
        return JSONResponse(body, headers={"Cache-Control": "no-store"})

    def _is_client(self, authorization: str) -> bool:
        """Whether a header holds the client's credentials (client_secret_basic, RFC 6749, section 2.3.1)."""
        kind, _, encoded = authorization.partition(" ")
        try:
            name, _, secret = b64decode(encoded, validate=True).decode().partition(":")
        except (NotBase64, UnicodeDecodeError):
            return False
        expected = self._settings.client_secret.get_secret_value()
        equal = hmac.compare_digest(unquote_plus(secret).encode(), expected.encode())
        return equal and kind.lower() == "basic" and unquote_plus(name) == self._settings.client_id

    async def take(self, request: Request) -> Response:
        try:
            application = Application.model_validate_json(await request.body())
        except ValidationError as error:
            return JSONResponse({"faults": [".".join(map(str, fault["loc"])) for fault in error.errors()]}, 422)
        if unquote(request.headers.get("idempotency-key", "")) != application.task_id:
            return JSONResponse({"faults": ["Idempotency-Key"]}, 422)
        if self._backend.rejects(application.item):
            return JSONResponse({"faults": ["item"]}, 422)
        entry = await self._group_commit.put(application.task_id, application.item)
        status = 201 if entry.submissions == 1 else 200
        if entry.makes(Mistake.NO_ANSWER):
            await asyncio.sleep(self._settings.no_answer_s)
        if entry.makes(Mistake.GARBLED_RECEIPT):
            return Response(NONSENSE, status, media_type="text/html")
        return _json(standing(entry, decided=entry.decided(self._backend.clock.now())), status)

    async def decided(self, request: Request) -> Response:
        limit = request.query_params.get("limit", "")
        if not limit.isdecimal():
            return JSONResponse({"faults": ["limit"]}, 422)
        entries: list[FeedEntry] = []
        for entry in await self._backend.unreported(min(int(limit), MOST_ENTRIES)):
            for reported in entry.reported:
                garbled = entry.makes(Mistake.GARBLED_DECISION)
                content = NONSENSE if garbled else _content(standing(reported, decided=True))
                entries.append(FeedEntry(entry=entry.task_id, standing=content))
        return _json(Feed(entries=tuple(entries)), 200)

    async def acknowledged(self, request: Request) -> Response:
        try:
            body = Acknowledged.model_validate_json(await request.body())
        except ValidationError:
            return JSONResponse({"faults": ["entries"]}, 422)
        await self._backend.mark_reported(body.entries)
        return Response(status_code=204)


def standing(entry: LedgerEntry, *, decided: bool) -> Standing:
    """A ledger entry as the interface shows it. A mistake must reach the adapter as it is, so it is not validated."""
    received_at = entry.by_its_clock(entry.received_at)
    if not decided:
        return Standing.model_construct(
            task_id=entry.task_id, number=entry.receipt_number, received_at=received_at, status="handling"
        )
    return Standing.model_construct(
        task_id=entry.task_id,
        number=entry.number,
        received_at=received_at,
        status="completed",
        conclusion="agreed" if entry.outcome is Outcome.APPROVED else "rejected",
        completed_at=entry.by_its_clock(entry.decide_at),
        certificate_number=entry.certificate,
        opinion=entry.opinion,
    )


def _content(body: BaseModel) -> Any:
    return body.model_dump(by_alias=True, mode="json")


def _json(body: BaseModel, status: int) -> Response:
    return Response(body.model_dump_json(by_alias=True, exclude_none=True), status, media_type="application/json")


def _listener(host: str, port: int) -> socket.socket:
    # asyncio sets TCP_NODELAY only on sockets whose protocol is TCP by name. Without it each answer waits 40 ms for
    # the acknowledgement of its headers.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.listen(512)
    return listener


@asynccontextmanager
async def running(settings: TaxSandboxSettings, clock: Clock) -> AsyncIterator[str]:
    """The sandbox, answering at the address that is given."""
    backend = SandboxBackend("tax", "税受", settings, clock)
    await backend.open()
    app = TaxSandbox(settings, backend).application()
    config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=1)
    server = Server(config)
    with _listener(settings.host, settings.port) as listener:
        task = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield f"http://{settings.host}:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await task
            await backend.close()
