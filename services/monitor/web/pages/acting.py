"""The acts of a page's reader besides reading. The page does not show an act that its reader may not do."""

from typing import Any

from contracts.rights.scope import Scope
from contracts.rights.table import Act
from services.runtime.http.pages.reader import Reader
from services.runtime.security.access import Permit
from services.runtime.service import ServiceHost


def permit_of(host: ServiceHost[Any], reader: Reader, act: Act) -> Permit | None:
    """The right of the reader to another act; None without one."""
    if reader.name is None or act not in reader.acts:
        return None
    return host.access.permit(reader.name, act)


def covering(host: ServiceHost[Any], reader: Reader, act: Act) -> Scope:
    """The part of the work for which the reader has a right to another act; empty without one."""
    permit = permit_of(host, reader, act)
    return permit.scope if permit is not None else ()
