"""Where an ``onedoor up`` that somebody else has started keeps its databases."""

from pathlib import Path

from deploy.local.postgres import Postgres


class NothingKept(Exception):
    """No onedoor has ever run in this folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"{folder} is no folder of 'onedoor up': name its folder with --folder, or set ONEDOOR_DATABASE"
        )


def database_url(folder: Path, service: str) -> str:
    """The address of a service's database, password included: not for logs. Raises NothingKept.

    Whether the server runs now is seen by connecting to it.
    """
    postgres = Postgres(folder.resolve() / "postgres", notify=lambda _: None)
    try:
        postgres.port = int((postgres.folder / "port").read_text())
    except (FileNotFoundError, NotADirectoryError):
        raise NothingKept(folder) from None
    return postgres.url(f"onedoor_{service}")
