"""Files that are read within a limit, or written completely or not at all; folders for one account. Cheap to import."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

PRIVATE = 0o600
"""The mode of a file that only its owner can read."""

PRIVATE_FOLDER = 0o700
"""The mode of a folder that only its owner can enter."""


PASSABLE_FOLDER = 0o711
"""The mode of a folder that others can pass, to what is open to them in it, and not list."""

MOST_MB = 64
"""The largest file that a person gives to onedoor, in megabytes. A national catalogue has a few."""


def limited_content(file: Path) -> bytes:
    """The content of a file, a pipe or a device. Raises `OSError`, also for one that is larger than `MOST_MB`."""
    with file.open("rb") as source:
        content = source.read(MOST_MB * 1_000_000 + 1)
    if len(content) > MOST_MB * 1_000_000:
        from contracts.faults import both  # large, and used here only

        reason = both(f"it has more than {MOST_MB} MB; divide it", f"文件超过 {MOST_MB} MB，请拆分")
        raise OSError(errno.EFBIG, reason, str(file))
    return content


def private_folder(folder: Path) -> Path:
    """The folder, made if it is missing, and closed to all other accounts whatever the files in it allow."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(PRIVATE_FOLDER)
    return folder


@contextmanager
def complete_file(file: Path, mode: int = 0o666) -> Iterator[TextIO]:
    """Open a text file that replaces ``file`` when the body has ended without an error, and only then."""
    partial = file.with_name(f"{file.name}.partial")
    partial.unlink(missing_ok=True)
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as output:
            yield output
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)
