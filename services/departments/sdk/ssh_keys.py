"""SSH keys in files."""

import os
from pathlib import Path

import asyncssh


def ensure_key(path: Path) -> Path:
    """Make an Ed25519 key at ``path`` unless it exists. Returns the path of the public key, which ends in ``.pub``."""
    public = path.with_name(path.name + ".pub")
    if not path.exists():
        key = asyncssh.generate_private_key("ssh-ed25519")
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")
        part.unlink(missing_ok=True)
        descriptor = os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(key.export_private_key())
        public.write_bytes(key.export_public_key())
        part.rename(path)
    return public
