"""The logins of staff in tests: an issuer with real keys over real HTTP, and one person who may do all."""

import json
import threading
import time
from dataclasses import replace
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey

from contracts.messages.documents import PostsPublished, PublishedPost
from contracts.rights.holders import Holders
from contracts.rights.posts import Post
from contracts.rights.table import Role
from deploy.local.wiring import Options
from services.monitor.core.notifications.directory_file import DirectoryFile

AUDIENCE = "onedoor"
EVERYBODY = "everybody"
"""The person who holds a post of every role."""

_DAY_S = 86_400


class Issuer:
    """An issuer of logins. It starts with the first use, and ends with the process of the tests."""

    @cached_property
    def _key(self) -> ECKey:
        return ECKey.generate_key("P-256", parameters={"kid": "tests", "use": "sig"})

    @cached_property
    def url(self) -> str:
        """Its address."""
        documents: dict[str, Any] = {"/jwks": {"keys": [self._key.as_dict(private=False)]}}

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                content = json.dumps(documents[self.path]).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        url = f"http://127.0.0.1:{server.server_port}"
        documents["/.well-known/openid-configuration"] = {"issuer": url, "jwks_uri": f"{url}/jwks"}
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return url

    def token(self, person: str, **claims: Any) -> str:
        """A token of somebody who logs in all day, unless ``claims`` differ."""
        now = int(time.time())
        content = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": person,
            "client_id": "tests",
            "iat": now,
            "exp": now + _DAY_S,
            "auth_time": now + _DAY_S,
        } | claims
        header = {"alg": "ES256", "typ": "at+jwt", "kid": self._key.kid}
        return jwt.encode(header, content, self._key, algorithms=["ES256"])

    def header(self, person: str, **claims: Any) -> dict[str, str]:
        """The header with such a token."""
        return {"Authorization": f"Bearer {self.token(person, **claims)}"}


ISSUER = Issuer()

TOKEN = ISSUER.token(EVERYBODY, name="Everybody")
STAFF = {"Authorization": f"Bearer {TOKEN}"}

POSTS = PostsPublished(
    posts=tuple(PublishedPost(role=role.value, person=EVERYBODY) for role in Role),
    powers_apart=False,
    four_eyes=False,
)
HOLDERS = Holders(POSTS)


def with_everybody(directory: DirectoryFile) -> DirectoryFile:
    """This directory, in which the one person may do all as well."""
    person = directory.people[0].replace(id=EVERYBODY, name="Everybody", addresses=("log:everybody",))
    posts = tuple(
        Post(role=f"every-{role.value}", person=EVERYBODY)  # a name of its own: nobody is notified by it
        for role in Role
    )
    return directory.replace(
        people=(*directory.people, person),
        posts=(*directory.posts, *posts),
        roles={**directory.roles, **{f"every-{role.value}": role for role in Role}},
        powers_apart=False,
        four_eyes=False,
    )


def with_staff(options: Options) -> Options:
    """These options, with the issuer of the tests and the person who may do all."""
    everywhere = {"ONEDOOR_ISSUER": ISSUER.url, **options.extra.get("*", {})}
    return replace(options, directory=POSTS, extra={**options.extra, "*": everywhere})
