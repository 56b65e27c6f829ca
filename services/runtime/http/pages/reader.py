"""Who looks at a page, and what the page may show: one value, from one place."""

from dataclasses import dataclass
from typing import Any

from fastapi import Depends, HTTPException, Request

from contracts.rights.scope import EVERYWHERE, Scope
from contracts.rights.table import Act
from services.runtime.security.staff import staff_only
from services.runtime.service import ServiceHost


@dataclass(frozen=True, slots=True)
class Reader:
    """The reader of a page. ``name`` is None where nobody has a name; ``acts``: what the menu shows; ``scope``: the
    part of the work for which the page may be read."""

    name: str | None
    acts: frozenset[Act]
    scope: Scope


NOBODY = Reader(None, frozenset(), ())
"""The reader of a page that anybody may see."""

_STAFF = Reader(None, frozenset(Act), (EVERYWHERE,))


def reader_may(host: ServiceHost[Any], act: Act) -> Any:
    """A FastAPI dependency that gives the `Reader` of a page, who may do this act, or else refuses the request.

    The shared token of staff allows every act everywhere.
    """

    staff = staff_only(host.settings.api_token)

    async def read(request: Request, _: None = staff) -> Reader:
        if act not in _STAFF.acts:
            raise HTTPException(403)
        request.state.reader = _STAFF
        return _STAFF

    return Depends(read)
