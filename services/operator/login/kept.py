"""The logins that this account has, one for each issuer, in a file that only its owner can read."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from contracts.bilingual import BilingualError
from contracts.values import Model
from services.files import PRIVATE, complete_file, limited_content, private_folder

FILE, LOCK = "logins.json", "logins.lock"


class DamagedLogins(BilingualError):
    """The file of logins cannot be read as one."""


class Login(Model):
    """What an issuer has given for a person."""

    person: str
    access_token: str
    access_until: datetime
    refresh_token: str | None


class _Content(Model):
    logins: dict[str, Login]


class Logins:
    """The logins of this account, while no other command uses them."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._logins = _read(file)

    def get(self, issuer: str) -> Login | None:
        """The login at this issuer."""
        return self._logins.get(issuer)

    def keep(self, issuer: str, login: Login) -> None:
        """Keep a login in place of the one before. Raises `OSError`."""
        self._write({**self._logins, issuer: login})

    def forget(self, issuer: str) -> None:
        """Keep no login at this issuer. Raises `OSError`."""
        self._write({name: login for name, login in self._logins.items() if name != issuer})

    def _write(self, logins: dict[str, Login]) -> None:
        with complete_file(self._file, PRIVATE) as output:
            output.write(_Content(logins=logins).model_dump_json(indent=1))
        self._logins = logins


@contextmanager
def locked_logins() -> Iterator[Logins]:
    """The logins of this account. Another command waits, so that no refresh token is used twice.

    Raises `OSError` and `DamagedLogins`.
    """
    folder = private_folder(_folder())
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, PRIVATE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield Logins(folder / FILE)
    finally:
        os.close(descriptor)


def _folder() -> Path:
    """The folder of onedoor among those of the user's configuration (XDG Base Directory Specification)."""
    configured = Path(os.environ.get("XDG_CONFIG_HOME", ""))
    return (configured if configured.is_absolute() else Path.home() / ".config") / "onedoor"


def _read(file: Path) -> dict[str, Login]:
    try:
        return _Content.model_validate_json(limited_content(file)).logins
    except FileNotFoundError:
        return {}
    except ValidationError:
        raise DamagedLogins(
            f"{file} is damaged: delete it, and log in again with 'onedoor login'",
            f"{file} 已损坏：请删除后用 onedoor login 重新登录",
        ) from None
