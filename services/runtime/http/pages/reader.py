"""Who looks at a page, and what the page may show: one value, from one place."""

from dataclasses import dataclass
from typing import Annotated, Any, Protocol

from fastapi import Depends, Request

from contracts.rights.scope import Scope
from contracts.rights.table import Act
from services.runtime.security.access import Access, Permit


@dataclass(frozen=True, slots=True)
class Reader:
    """The reader of a page. ``name`` is None where nobody has a name; ``acts``: what the menu shows; ``scope``: the
    part of the work for which the page may be read; ``is_fresh``: see `Permit`; ``called``: what people call them."""

    name: str | None
    acts: frozenset[Act]
    scope: Scope
    is_fresh: bool = False
    called: str | None = None


NOBODY = Reader(None, frozenset(), ())
"""The reader of a page that anybody may see."""


class Host(Protocol):
    """A process with pages."""

    @property
    def access(self) -> Access:
        """The rights there."""


def reader_may(host: Host, act: Act) -> Any:
    """A FastAPI dependency that gives the `Reader` of a page, who may do this act, or else refuses the request."""
    access = host.access

    async def read(request: Request, permit: Annotated[Permit, access.may(act)]) -> Reader:
        reader = Reader(permit.person, access.acts(permit.person), permit.scope, permit.is_fresh, permit.name)
        request.state.reader = reader
        return reader

    return Depends(read)
