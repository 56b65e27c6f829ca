"""Fetches the jars of Apache Kafka from Maven's public repository, pinned and verified, into a cache.

``jars.txt`` has every jar with its SHA-256; a jar with other content is refused. ``python -m deploy.jars``
fetches them while the installation still runs, so this module needs only jgo.
"""

import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from urllib.request import getproxies

Notify = Callable[[str], None]

PINNED = Path(__file__).with_name("jars.txt")
_AT_ONCE = 12
_TIMEOUT_SECONDS = 30
_TRIES = 3


class JarRefused(Exception):
    """A jar differs from its pin: it was changed on its way, or the pin is wrong. Nothing is run."""

    def __init__(self, jar: "Jar", found: str) -> None:
        super().__init__(f"{jar.coordinate}: expected SHA-256 {jar.sha256}, found {found}")


class JarsUnreachable(Exception):
    """Jars could not be fetched: check the network and the proxy settings. Fetched jars stay in the cache."""


@dataclass(frozen=True, slots=True)
class Jar:
    """One pinned jar: ``group:artifact:version`` and its SHA-256."""

    coordinate: str
    sha256: str

    @property
    def file_name(self) -> str:
        """Its name in the cache."""
        _, artifact, version = self.coordinate.split(":")
        return f"{artifact}-{version}.jar"


def pinned() -> tuple[Jar, ...]:
    """The pinned jars. The file has a coordinate and a checksum a line, ``#`` begins a comment."""
    lines = (line.split("#")[0].split() for line in PINNED.read_text().splitlines())
    return tuple(Jar(*line) for line in lines if line)


def version() -> str:
    """A key of the pins, for files that were made with these jars."""
    return hashlib.sha256(PINNED.read_bytes()).hexdigest()[:12]


def cache_folder() -> Path:
    """The cache for all checkouts of this user (in ``XDG_CACHE_HOME``, else ``~/.cache``)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "onedoor"


def fetch(folder: Path, jars: Sequence[Jar], notify: Notify = lambda _: None) -> tuple[Path, ...]:
    """The jars in the folder, every one verified; those that are missing or damaged are downloaded.

    Raises JarRefused or JarsUnreachable.
    """
    folder.mkdir(parents=True, exist_ok=True)
    missing = [jar for jar in jars if _checksum(folder / jar.file_name) != jar.sha256]
    if missing:
        _download(folder, missing, notify)
    return tuple(folder / jar.file_name for jar in jars)


def _download(folder: Path, missing: Sequence[Jar], notify: Notify) -> None:
    with tempfile.TemporaryDirectory(dir=folder, prefix="partial-") as staging, ThreadPoolExecutor(_AT_ONCE) as pool:
        waiting = [pool.submit(_download_one, jar, folder, Path(staging) / jar.file_name) for jar in missing]
        try:
            for count, future in enumerate(as_completed(waiting), 1):
                future.result()
                fetched = f"fetched {count} of {len(missing)} jars of Apache Kafka"
                notify(f"{fetched} / 已下载 Apache Kafka 的 jar {count}/{len(missing)} 个")
        finally:
            pool.shutdown(cancel_futures=True)


def _download_one(jar: Jar, folder: Path, staging: Path) -> None:
    """Fetch into a folder of its own and move the verified file into place, so that no half jar is used."""
    # Imported here, since they take a quarter of a second and a warm start needs neither.
    from jgo.maven import MavenContext
    from requests import RequestException

    group, artifact, version = jar.coordinate.split(":")
    for attempt in range(_TRIES):
        context = MavenContext(repo_cache=staging / str(attempt), timeout=_TIMEOUT_SECONDS)
        try:
            found = context.project(group, artifact).at_version(version).artifact().resolve()
            break
        except (RequestException, RuntimeError, ValueError) as failure:  # jgo waits as it is asked, but knows no date
            if attempt == _TRIES - 1:
                raise JarsUnreachable(f"{jar.coordinate}, {_way()}: {failure}") from failure
    checksum = _checksum(found)
    if checksum != jar.sha256:
        raise JarRefused(jar, checksum)
    shutil.move(found, folder / jar.file_name)


def _way() -> str:
    named = getproxies()
    proxy = named.get("https") or named.get("all")
    return f"through the proxy {proxy.rpartition('@')[2]}" if proxy else "without a proxy"  # without its password


def _checksum(file: Path) -> str:
    if not file.exists():
        return ""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def main() -> None:
    """Fetch all jars, and show the progress in one line."""

    def notify(progress: str) -> None:
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{progress}")

    try:
        fetch(cache_folder() / "jars", pinned(), notify)
    except (JarRefused, JarsUnreachable) as failure:
        sys.exit(f"onedoor: {failure}. Check the network and the proxy, and start again / 请检查网络和代理后重新启动")
    if sys.stderr.isatty():
        sys.stderr.write("\n")


if __name__ == "__main__":
    main()
