"""The login of the demonstration and of a replay: as the program that imports cases."""

import time
from collections.abc import Generator

import httpx2

from contracts.rights.posts import Post
from contracts.rights.table import Role
from deploy.local.clients import IMPORTING
from services.monitor.core.notifications.directory_file import DirectoryFile
from services.monitor.core.notifications.people import Person
from services.monitor.store.notifications import directory_store

_BEFORE_S = 60.0
"""Machine seconds before its end at which a token is replaced."""


class ProgramLogin(httpx2.Auth):
    """Adds an access token of a program to each request, and fetches a new one in time (RFC 6749, section 4.4)."""

    requires_response_body = True

    def __init__(self, issuer: str, program: str, secret: str) -> None:
        form = {"grant_type": "client_credentials", "client_id": program, "client_secret": secret}
        self._request = httpx2.Request("POST", f"{issuer}/token", data=form)
        self._token = ""
        self._ends = 0.0

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        """See `httpx2.Auth`. Raises `httpx2.HTTPStatusError` if the issuer refuses the program."""
        if time.monotonic() > self._ends - _BEFORE_S:
            answer = yield self._request
            answer.raise_for_status()
            content = answer.json()
            self._token = content["access_token"]
            self._ends = time.monotonic() + content["expires_in"]
        request.headers["Authorization"] = f"Bearer {self._token}"
        yield request


def directory_with_program(*roles: Role) -> DirectoryFile:
    """The directory that comes with onedoor, in which the program holds a post of each of these roles."""
    sample = directory_store.read(directory_store.SAMPLE.read_bytes())
    program = Person(id=IMPORTING, name="Demonstration / 演示程序", addresses=("log:demonstration",))
    names = {f"program-{role.value}": role for role in roles}
    return sample.replace(
        people=(*sample.people, program),
        posts=(*sample.posts, *(Post(role=name, person=IMPORTING) for name in names)),
        roles={**sample.roles, **names},
        powers_apart=len(roles) == 1,
    )
