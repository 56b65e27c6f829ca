"""Monitor's HTTP API, as an operator's command calls it."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import proxy_bypass

import httpx2

from contracts.faults import texts_of
from services.operator.output import stop, wrong_option
from services.runtime.http.site import api_path
from services.runtime.security.encryption import encrypted_url, is_loopback

TOKEN = "ONEDOOR_TOKEN"  # noqa: S105 - the name of a variable
TIMEOUT_S = 30.0


class MonitorApi:
    """Calls monitor. A refusal ends the command with monitor's own words."""

    def __init__(self, address: str, token: str | None) -> None:
        """Raises `typer.Exit` for a token that no header can have, and for a proxy of the environment of no use."""
        token = (token or "").strip()
        if not token.isascii() or not token.isprintable():
            raise stop(
                f"{TOKEN} has characters that no token has; copy it again",
                f"{TOKEN} 含有令牌不可能有的字符；请重新复制",
            )
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        host = urlsplit(address).hostname or ""
        # Calls to this machine use no proxy. For a host in NO_PROXY httpx would prepare the proxy nevertheless.
        trust_env = not is_loopback(host) and not proxy_bypass(host)
        try:
            self._client = httpx2.Client(base_url=address, headers=headers, timeout=TIMEOUT_S, trust_env=trust_env)
        except (ImportError, ValueError):  # a proxy of SOCKS, or of a scheme that nobody knows
            raise stop(
                "the proxy that ALL_PROXY or HTTPS_PROXY names is none of HTTP, and cannot be used: name one that "
                f"begins with http://, or add {host} to NO_PROXY",
                "ALL_PROXY 或 HTTPS_PROXY 所指的代理不是 HTTP 代理，无法使用：请改用以 http:// 开头的代理，"
                f"或将 {host} 加入 NO_PROXY",
            ) from None

    def get(self, path: str, query: Mapping[str, Any]) -> Any:
        """The answer to a query. Raises `typer.Exit`."""
        return self._call("GET", path, params=dict(query))

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """The answer to an action. Raises `typer.Exit`."""
        return self._call("POST", path, json=dict(body))

    def _call(self, method: str, path: str, **content: Any) -> Any:
        try:
            answer = self._client.request(method, path, **content)
        except httpx2.HTTPError as error:
            address, kind = self._client.base_url, type(error).__name__
            raise stop(
                f"monitor at {address} does not answer ({kind}); start it, or correct the address",
                f"{address} 的 monitor 没有应答（{kind}）；请启动服务或更正地址",
            ) from None
        if answer.is_success:
            try:
                return answer.json()
            except ValueError:
                address = self._client.base_url
                raise stop(
                    f"what answers at {address} is not monitor, but a login or a proxy; correct the address",
                    f"{address} 处应答的不是 monitor，而是登录页或代理；请更正地址",
                ) from None
        en, zh = _reason(answer)
        raise stop(f"monitor refused it ({answer.status_code}): {en}", f"monitor 拒绝了请求：{zh}")


def monitor_api(address: str, folder: Path | None) -> MonitorApi:
    """Monitor at this address, or that of the ``onedoor up`` in this folder. Raises `typer.Exit`."""
    if address and folder is None:
        try:
            return MonitorApi(encrypted_url(address) + api_path("monitor"), os.environ.get(TOKEN))
        except ValueError as wrong:
            raise wrong_option(*texts_of(wrong), "--monitor") from None
    addresses = (folder or Path("data")) / "addresses"
    try:
        port = int((addresses / "monitor.port").read_text())
    except (OSError, ValueError):
        raise stop(
            f"{addresses.parent} is no folder of 'onedoor up': name its folder with --folder, or monitor with "
            "--monitor",
            f"{addresses.parent} 不是 onedoor up 的文件夹：请用 --folder 指定其文件夹，或用 --monitor 指定 monitor",
        ) from None
    return MonitorApi(f"http://127.0.0.1:{port}{api_path('monitor')}", os.environ.get(TOKEN))


def _reason(answer: httpx2.Response) -> tuple[str, str]:
    """The reasons of a problem document (RFC 9457), in each language."""
    try:
        problem = answer.json()
        faults = [
            (f"{place}: {fault['detail']}", f"{place}：{fault['detail_zh']}")
            for fault in problem.get("errors", ())
            for place in [fault.get("parameter") or fault.get("pointer")]
        ]
        en = [problem["title"], problem.get("detail"), *(one for one, _ in faults)]
        zh = [problem["title_zh"], problem.get("detail_zh"), *(one for _, one in faults)]
        return "; ".join(filter(None, en)), "；".join(filter(None, zh))
    except (ValueError, KeyError, TypeError, AttributeError):
        return answer.text[:500], "见英文说明"
