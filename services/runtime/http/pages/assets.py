"""Style sheets, scripts and pictures of pages, at addresses that change with their content.

A folder ``static/onedoor`` is served as one style sheet, ``onedoor.css``, of its parts in the order of their names.
"""

import gzip
from collections.abc import Iterable
from hashlib import sha256
from importlib.resources.abc import Traversable
from typing import NamedTuple

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}

_FOREVER = "public, max-age=31536000, immutable"


class _Asset(NamedTuple):
    content: bytes
    compressed: bytes
    media_type: str
    address: str


class Assets:
    """The assets of a service: those of its packages, the first of which counts where a name stands in several."""

    def __init__(self, service: str, packages: Iterable[Traversable]) -> None:
        self._path = f"/assets/{service}"
        self._assets: dict[str, _Asset] = {}
        for package in packages:
            folder = package / "static"
            for file in folder.iterdir() if folder.is_dir() else ():
                name = file.name if file.is_file() else f"{file.name}.css"
                if name not in self._assets:
                    self._assets[name] = self._asset(name, _content(file))

    def _asset(self, name: str, content: bytes) -> _Asset:
        stem, dot, extension = name.rpartition(".")
        address = f"{self._path}/{stem}.{sha256(content).hexdigest()[:16]}{dot}{extension}"
        return _Asset(content, gzip.compress(content, mtime=0), _TYPES[dot + extension], address)

    def address(self, name: str) -> str:
        """The address of an asset. Raises `KeyError` for one that does not exist."""
        return self._assets[name].address

    def routes(self) -> APIRouter:
        """The route of all of them."""
        router = APIRouter(include_in_schema=False)

        @router.get(self._path + "/{file}")
        async def asset(file: str, request: Request) -> Response:
            """An asset. Browsers need never ask for it again."""
            stem, _, rest = file.partition(".")
            found = self._assets.get(f"{stem}.{rest.rpartition('.')[2]}")
            if found is None:
                raise HTTPException(404)
            headers = {"Vary": "Accept-Encoding"}
            # During a roll-out a page of another version may ask for a content that this replica does not have.
            headers["Cache-Control"] = _FOREVER if request.url.path == found.address else "no-store"
            if "gzip" in request.headers.get("accept-encoding", ""):
                headers["Content-Encoding"] = "gzip"
                return Response(found.compressed, headers=headers, media_type=found.media_type)
            return Response(found.content, headers=headers, media_type=found.media_type)

        return router


def _content(file: Traversable) -> bytes:
    if file.is_file():
        return file.read_bytes()
    return b"\n".join(part.read_bytes() for part in sorted(file.iterdir(), key=lambda part: part.name))
