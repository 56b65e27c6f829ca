"""Monitor's HTTP API, as an operator's command calls it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx2

from contracts.faults import texts_of
from services.operator.databases import DEFAULT_FOLDER
from services.operator.login.tokens import access_token, given_token, issuer_of
from services.operator.options import DatabaseOptions
from services.operator.output import stop, wrong_option
from services.operator.web_client import web_client
from services.runtime.http.site import api_path
from services.runtime.security.encryption import encrypted_url


class MonitorApi:
    """Calls monitor. A refusal ends the command with monitor's own words."""

    def __init__(self, address: str, token: str) -> None:
        """Raises `typer.Exit` for a proxy of the environment of no use."""
        self._client = web_client(address, {"Authorization": f"Bearer {token}"})

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


def monitor_api(address: str, folder: Path | None, issuer: str) -> MonitorApi:
    """Monitor at this address, or that of the ``onedoor up`` in this folder, with the login of the person who asks.

    Raises `typer.Exit`.
    """
    if address and folder is None:
        try:
            api = encrypted_url(address) + api_path("monitor")
        except ValueError as wrong:
            raise wrong_option(*texts_of(wrong), "--monitor") from None
    else:
        api = _local_address(folder or DEFAULT_FOLDER) + api_path("monitor")
    token = given_token()
    return MonitorApi(api, token or access_token(issuer_of(DatabaseOptions(address, folder, issuer))))


def _local_address(folder: Path) -> str:
    try:
        return f"http://127.0.0.1:{int((folder / 'addresses' / 'monitor.port').read_text())}"
    except (OSError, ValueError):
        raise stop(
            f"{folder} is no folder of 'onedoor up': name its folder with --folder, or monitor with --monitor",
            f"{folder} 不是 onedoor up 的文件夹：请用 --folder 指定其文件夹，或用 --monitor 指定 monitor",
        ) from None


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
