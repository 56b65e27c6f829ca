"""Jars are pinned by checksum: fetched from a repository of our own here, in Maven's layout."""

import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import jgo.maven
import pytest

from deploy.jars import Jar, JarRefused, JarsUnreachable, fetch, pinned

CONTENT = b"not a jar, and never run"
COORDINATE = "org.example:thing:1.0"
GOOD = Jar(COORDINATE, hashlib.sha256(CONTENT).hexdigest())


class _Silent(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture(autouse=True)
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A repository with one jar, the only one that is used."""
    jar = tmp_path / "repository" / "org" / "example" / "thing" / "1.0" / "thing-1.0.jar"
    jar.parent.mkdir(parents=True)
    jar.write_bytes(CONTENT)
    handler = partial(_Silent, directory=str(tmp_path / "repository"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        here = {"here": f"http://127.0.0.1:{server.server_port}"}
        monkeypatch.setattr(jgo.maven, "MavenContext", partial(jgo.maven.MavenContext, remote_repos=here))
        yield jar
        server.shutdown()


def test_a_jar_is_fetched_once(tmp_path: Path, repository: Path) -> None:
    progress: list[str] = []
    (file,) = fetch(tmp_path / "jars", [GOOD], progress.append)
    assert file.read_bytes() == CONTENT
    assert [line.split(" / ")[0] for line in progress] == ["fetched 1 of 1 jars of Apache Kafka"]
    repository.unlink()
    assert fetch(tmp_path / "jars", [GOOD]) == (file,)


def test_a_jar_with_other_content_is_refused(tmp_path: Path, repository: Path) -> None:
    repository.write_bytes(b"something else")
    with pytest.raises(JarRefused, match=COORDINATE):
        fetch(tmp_path / "jars", [GOOD])
    assert list((tmp_path / "jars").iterdir()) == []


def test_a_damaged_jar_is_fetched_again(tmp_path: Path) -> None:
    (file,) = fetch(tmp_path / "jars", [GOOD])
    file.write_bytes(CONTENT[:7])
    assert fetch(tmp_path / "jars", [GOOD])[0].read_bytes() == CONTENT


def test_a_jar_that_cannot_be_fetched_is_named(tmp_path: Path, repository: Path) -> None:
    repository.unlink()
    with pytest.raises(JarsUnreachable, match=COORDINATE):
        fetch(tmp_path / "jars", [GOOD])


@pytest.mark.parametrize("name", ["ALL_PROXY", "HTTPS_PROXY"])
def test_the_proxy_is_named_without_its_password(
    tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    repository.unlink()
    for other in ("ALL_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(other, raising=False)
        monkeypatch.delenv(other.lower(), raising=False)
    monkeypatch.setenv(name, "http://user:secret@127.0.0.1:9")
    with pytest.raises(JarsUnreachable, match=r"through the proxy 127\.0\.0\.1:9: ") as failed:
        fetch(tmp_path / "jars", [GOOD])
    assert "secret" not in str(failed.value)


def test_every_jar_is_pinned() -> None:
    jars = pinned()
    assert any(jar.coordinate == "org.apache.kafka:kafka-clients:4.3.0" for jar in jars)
    assert len({jar.file_name for jar in jars}) == len(jars)
    assert all(len(jar.sha256) == 64 for jar in jars)
