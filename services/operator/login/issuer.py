"""The issuer of logins as the command line asks it: tokens for a device (RFC 8628), renewed (RFC 6749, section 6), and
given back (RFC 7009)."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, Self, TypeVar

import httpx2
from pydantic import Field, ValidationError

from contracts.bilingual import BilingualError
from contracts.values import Model
from services.operator.web_client import web_client
from services.registry import COMMAND_LINE
from services.runtime.security.encryption import encrypted_url

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"

SLOWER_S = 5.0
"""Machine seconds by which the interval grows when the issuer asks for it, or does not answer (RFC 8628, section
3.5)."""

MOST_CHARACTERS = 64 * 1024
"""The longest answer of the issuer that is read."""

M = TypeVar("M", bound=Model)


class IssuerUnavailable(BilingualError):
    """The issuer does not answer, or what answers is none."""


class LoginRefused(BilingualError):
    """The issuer gives no login. The text says why, and what to do."""


class LoginEnded(BilingualError):
    """The login has ended, and is not renewed."""


_Text = Annotated[str, Field(min_length=1, max_length=8192)]
_Shown = Annotated[str, Field(pattern=r"^[\x21-\x7e]{1,500}$")]
"""Text that goes to the terminal: nothing in it controls one."""


class Codes(Model):
    """The codes of a device. ``user_code`` is what the person types at ``verification_uri``."""

    device_code: _Text
    user_code: _Shown
    verification_uri: _Shown
    verification_uri_complete: _Shown | None = None
    expires_in: float = Field(gt=0, le=86_400)
    interval: float = Field(5.0, gt=0, le=600)


class Tokens(Model):
    """The tokens of a person. ``expires_in``: machine seconds until the access token ends."""

    access_token: _Text
    refresh_token: _Text | None = None
    expires_in: float = Field(300.0, gt=0, le=31_536_000)


class _Metadata(Model):
    issuer: str
    device_authorization_endpoint: str | None = None
    token_endpoint: str
    revocation_endpoint: str | None = None


class _Error(Model):
    error: _Shown


class Issuer:
    """An issuer. Use as a context manager: entered when its metadata is read. Raises `IssuerUnavailable`."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._client = web_client(address, {})

    def __enter__(self) -> Self:
        try:
            answer = self._send("GET", f"{self.address}/.well-known/openid-configuration")
            self._metadata = self._content(answer, _Metadata)
            if self._metadata.issuer != self.address:
                raise self._not_one()
        except BaseException:
            self._client.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def codes(self) -> Codes:
        """New codes for this device. Raises `LoginRefused` and `IssuerUnavailable`."""
        endpoint = self._metadata.device_authorization_endpoint
        if endpoint is None:
            raise LoginRefused(
                f"{self.address} offers no login for a command line (RFC 8628): switch it on there",
                f"{self.address} 不支持命令行登录（RFC 8628）：请在该处启用",
            )
        answer = self._post(endpoint, {"client_id": COMMAND_LINE, "scope": "openid"})
        if answer.is_success:
            return self._content(answer, Codes)
        raise self._refused(self._error(answer))

    def wait(self, codes: Codes, pause: Callable[[float], None]) -> Tokens:
        """The tokens, when the person has consented. ``pause`` waits for so many machine seconds.

        Raises `LoginRefused` if the person refuses, or does not consent in time, and `IssuerUnavailable`.
        """
        interval_s, waited_s = codes.interval, 0.0
        away: IssuerUnavailable | None = None
        while waited_s < codes.expires_in:
            pause(interval_s)
            waited_s += interval_s
            fields = {"grant_type": DEVICE_GRANT, "device_code": codes.device_code, "client_id": COMMAND_LINE}
            try:
                answer = self._post(self._metadata.token_endpoint, fields)
            except IssuerUnavailable as error:
                interval_s, away = interval_s + SLOWER_S, error
                continue
            away = None
            if answer.is_success:
                return self._content(answer, Tokens)
            match self._error(answer):
                case "authorization_pending":
                    pass
                case "slow_down":
                    interval_s += SLOWER_S
                case "expired_token":
                    break
                case other:
                    raise self._refused(other)
        raise away or LoginRefused(
            "the code has expired before it was confirmed: run 'onedoor login' again",
            "代码在确认之前已过期：请重新运行 onedoor login",
        )

    def renew(self, refresh_token: str) -> Tokens:
        """The next tokens for a refresh token, which is used up. Raises `LoginEnded` and `IssuerUnavailable`."""
        fields = {"grant_type": "refresh_token", "refresh_token": refresh_token, "client_id": COMMAND_LINE}
        answer = self._post(self._metadata.token_endpoint, fields)
        if answer.is_success:
            return self._content(answer, Tokens)
        if self._error(answer) == "invalid_grant":
            raise LoginEnded(
                f"the login at {self.address} has ended: log in again with 'onedoor login'",
                f"在 {self.address} 的登录已结束：请用 onedoor login 重新登录",
            )
        raise self._refused(self._error(answer))

    def give_back(self, refresh_token: str) -> None:
        """End the login. Raises `IssuerUnavailable`."""
        endpoint = self._metadata.revocation_endpoint
        if endpoint is None or not self._post(endpoint, {"token": refresh_token, "client_id": COMMAND_LINE}).is_success:
            raise self._not_one()

    def _post(self, endpoint: str, fields: Mapping[str, str]) -> httpx2.Response:
        return self._send("POST", endpoint, data=dict(fields))

    def _send(self, method: Literal["GET", "POST"], address: str, **content: Any) -> httpx2.Response:
        """The answer. Raises `IssuerUnavailable`, also for an answer of 500 and above."""
        try:
            answer = self._client.request(method, encrypted_url(address), **content)
        except (httpx2.HTTPError, ValueError) as error:
            raise IssuerUnavailable(
                f"the issuer of logins at {self.address} does not answer ({type(error).__name__}): start it, or "
                "correct the address",
                f"登录签发方 {self.address} 没有应答（{type(error).__name__}）：请启动或更正地址",
            ) from None
        if answer.is_server_error or len(answer.content) > MOST_CHARACTERS:
            raise self._not_one()
        return answer

    def _content(self, answer: httpx2.Response, kind: type[M]) -> M:
        try:
            if answer.is_success:
                return kind.model_validate_json(answer.content)
        except ValidationError:
            pass
        raise self._not_one() from None

    def _error(self, answer: httpx2.Response) -> str:
        """The code of an error (RFC 6749, section 5.2)."""
        try:
            return _Error.model_validate_json(answer.content).error
        except ValidationError:
            raise self._not_one() from None

    def _not_one(self) -> IssuerUnavailable:
        return IssuerUnavailable(
            f"what answers at {self.address} is no issuer of logins that works: correct the address, or see its log",
            f"{self.address} 处应答的不是正常的登录签发方：请更正地址或查看其日志",
        )

    def _refused(self, error: str) -> LoginRefused:
        if error == "access_denied":
            return LoginRefused(
                "the login was denied at the page: run 'onedoor login' again to ask once more",
                "登录请求在页面上被拒绝：如需再次申请，请重新运行 onedoor login",
            )
        return LoginRefused(
            f"the issuer of logins refuses this program ({error}): register the program {COMMAND_LINE} there, with the "
            "grant of devices and without a secret",
            f"登录签发方拒绝本程序（{error}）：请在该处登记程序 {COMMAND_LINE}，允许设备登录且不设密钥",
        )
