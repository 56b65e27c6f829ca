"""HTTP as commands use it."""

from collections.abc import Mapping
from urllib.parse import urlsplit
from urllib.request import proxy_bypass

import httpx2

from services.operator.output import stop
from services.runtime.security.encryption import is_loopback

TIMEOUT_S = 30.0


def web_client(address: str, headers: Mapping[str, str]) -> httpx2.Client:
    """A client of the server at this address. Raises `typer.Exit` for a proxy of the environment of no use."""
    host = urlsplit(address).hostname or ""
    # Calls to this machine use no proxy. For a host in NO_PROXY httpx would prepare the proxy nevertheless.
    trust_env = not is_loopback(host) and not proxy_bypass(host)
    try:
        return httpx2.Client(base_url=address, headers=dict(headers), timeout=TIMEOUT_S, trust_env=trust_env)
    except (ImportError, ValueError):  # a proxy of SOCKS, or of a scheme that nobody knows
        raise stop(
            "the proxy that ALL_PROXY or HTTPS_PROXY names is none of HTTP, and cannot be used: name one that "
            f"begins with http://, or add {host} to NO_PROXY",
            "ALL_PROXY 或 HTTPS_PROXY 所指的代理不是 HTTP 代理，无法使用：请改用以 http:// 开头的代理，"
            f"或将 {host} 加入 NO_PROXY",
        ) from None
