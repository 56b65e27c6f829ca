"""Settings of monitor alone. Prefix ``ONEDOOR_``."""

from base64 import b64decode
from binascii import Error
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, ConfigDict, Discriminator, Field, SecretStr, Tag, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from contracts.faults import fault
from contracts.values import Model
from services.monitor.apprise_urls import require_encrypted_channel
from services.monitor.core.board.ranks import Pool
from services.runtime.security.encryption import encrypted_url

SECRET_PREFIX = "whsec_"  # noqa: S105 - a prefix, and no secret
"""Prefix of the secret of a web hook (Standard Webhooks)."""

_BOTS = {"wecombot": "wecom", "dingtalk": "dingtalk", "feishu": "feishu", "lark": "feishu"}
"""Services of apprise that it does not ask whether they took the message (as of 2.2), and the robots that they are."""


def _is_apprise_url(url: SecretStr) -> SecretStr:
    if "://" not in url.get_secret_value():
        example = "mailtos://user:password@smtp.example.com?to={address}"
        raise fault(f"is no URL of apprise, such as {example}", f"不是 apprise 的 URL，例如 {example}")
    schema = url.get_secret_value().partition("://")[0].lower()
    if schema in _BOTS:
        instead = f'{{"bot": "{_BOTS[schema]}", "url": "https://..."}}'
        raise fault(
            f"{schema}:// counts a message as sent also when the robot refuses it; write instead {instead}, "
            "with the address that the group shows for its robot",
            f"{schema}:// 在机器人拒收时也视为已发送；请改写为 {instead}，地址以群聊中机器人所示为准",
        )
    require_encrypted_channel(url.get_secret_value())
    return url


def _is_a_key(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    try:
        key = b64decode(text.removeprefix(SECRET_PREFIX), validate=True)
    except Error:
        key = b""
    if not text.startswith(SECRET_PREFIX) or not 24 <= len(key) <= 64:
        raise fault(
            f"the secret of a web hook is {SECRET_PREFIX} and 24 to 64 bytes in base64",
            f"Web Hook 的密钥须为 {SECRET_PREFIX} 加 24 至 64 字节的 base64",
        )
    return secret


class _Channel(Model):
    model_config = ConfigDict(frozen=True, extra="forbid")


class HookSettings(_Channel):
    """A signed web hook. ``{address}`` in its URL stands for a person's address."""

    hook: Annotated[str, AfterValidator(encrypted_url)]
    secret: Annotated[SecretStr, AfterValidator(_is_a_key)]


def _is_encrypted(url: SecretStr) -> SecretStr:
    encrypted_url(url.get_secret_value())
    return url


class BotSettings(_Channel):
    """A robot of a chat group. Its URL is a secret: who has it can write to the group."""

    bot: Literal["wecom", "dingtalk", "feishu"]
    url: Annotated[SecretStr, AfterValidator(_is_encrypted)]


class FileSettings(_Channel):
    """A file that gets a line of JSON for each digest."""

    file: Path


def _kind(value: Any) -> str:
    if isinstance(value, SecretStr | str):
        return "apprise"
    for kind, settings in (("file", FileSettings), ("bot", BotSettings)):
        if isinstance(value, settings) or (isinstance(value, dict) and kind in value):
            return kind
    return "hook"


ChannelSettings = Annotated[
    Annotated[SecretStr, AfterValidator(_is_apprise_url), Tag("apprise")]
    | Annotated[HookSettings, Tag("hook")]
    | Annotated[BotSettings, Tag("bot")]
    | Annotated[FileSettings, Tag("file")],
    Discriminator(_kind),
]
"""A channel: a URL of apprise, a web hook, a robot of a chat group, or a file."""


class MonitorSettings(BaseSettings):
    """Settings of monitor besides those of every service."""

    model_config = SettingsConfigDict(env_prefix="ONEDOOR_", extra="ignore", frozen=True, hide_input_in_errors=True)

    channels: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")], ChannelSettings] = Field(
        {}, description="The channels of notifications by their names; kept secret. See notifications.md."
    )
    digest_quiet_s: float = Field(
        30, ge=0, le=3600, description="Seconds without a new entry after which a person's digest is sent."
    )
    digest_longest_s: float = Field(
        300, ge=0, le=3600, description="Seconds after the first entry after which it is sent in any case."
    )

    figures_longest_s: float = Field(
        60,
        ge=0,
        le=3600,
        description="Seconds for which the figures of the board wait with a change while the processors are busy; "
        "then they take a twentieth of the time.",
    )
    region_pools: dict[Annotated[str, Field(pattern=r"^[1-9][0-9]{0,5}$")], Pool] = Field(
        {},
        description="The peers with which a region is ranked, where its code of administrative division does not tell: "
        "codes or beginnings of codes, each `provinces`, `cities`, `districts` or `counties`.",
    )

    @model_validator(mode="after")
    def _check_combinations(self) -> Self:
        if self.digest_quiet_s > self.digest_longest_s:
            raise fault(
                "digest_quiet_s must not be longer than digest_longest_s, or it has no effect",
                "digest_quiet_s 不得大于 digest_longest_s，否则不起作用",
            )
        return self
