"""The programs that may use the logins of a local site: the pages, the command line, an importing system and wall
displays."""

import json
from hashlib import sha256
from pathlib import Path

from deploy.local.site import Site
from services.files import PRIVATE, complete_file
from services.registry import COMMAND_LINE, FRONT

PAGES = "pages"
"""The name of the program of the pages, which is the front."""

IMPORTING = "importing"
"""The program that imports cases."""

WALL = "wall"
"""The program of wall displays."""

PAGES_SECRET, IMPORTING_SECRET, WALL_SECRET = "pages-secret", "importing-secret", "wall-secret"
"""The files with the secrets of these programs, beside the other secrets of the site."""


def write_clients(folder: Path, site: Site) -> Path:
    """Write the file of these programs. Secrets are drawn once and kept by the site."""
    file = folder / "clients.yaml"
    pages = f"http://localhost:{site.port(FRONT)}"
    clients = [
        {
            "client_id": PAGES,
            "name": "Pages of onedoor",
            "name_zh": "一门通页面",
            "grants": ["authorization_code"],
            "secret_sha256": _hash(site.secret(PAGES_SECRET)),
            "redirect_uris": [f"{pages}/session/back"],
            "logout_uris": [f"{pages}/session/ended"],
            "scopes": ["openid"],
        },
        {
            "client_id": COMMAND_LINE,
            "name": "Command line of onedoor",
            "name_zh": "一门通命令行",
            "grants": ["device_code"],
            "scopes": ["openid"],
        },
        {
            "client_id": IMPORTING,
            "name": "Importing system",
            "name_zh": "导入系统",
            "grants": ["client_credentials"],
            "secret_sha256": _hash(site.secret(IMPORTING_SECRET)),
            "scopes": ["import"],
        },
        {
            "client_id": WALL,
            "name": "Wall displays",
            "name_zh": "大屏",
            "grants": ["client_credentials"],
            "secret_sha256": _hash(site.secret(WALL_SECRET)),
            "scopes": ["wall"],
        },
    ]
    with complete_file(file, PRIVATE) as output:
        json.dump({"clients": clients}, output, ensure_ascii=False, indent=1)
    return file


def _hash(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()
