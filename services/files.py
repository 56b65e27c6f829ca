"""Files that are written completely or not at all, and folders for one account. Cheap to import."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

PRIVATE = 0o600
"""The mode of a file that only its owner can read."""

PRIVATE_FOLDER = 0o700
"""The mode of a folder that only its owner can enter."""


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
