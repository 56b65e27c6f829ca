"""Connections to other machines are encrypted and their servers verified. Connections on this machine need not be.

The settings that name an address refuse one that breaks the rule, so that the process stops at the start. The exception
lists hosts by name, and cannot be set by accident.
"""

import os
from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from contracts.faults import fault

EXCEPTION = "ONEDOOR_ALLOW_UNENCRYPTED_CONNECTIONS_TO"


def split(value: object) -> object:
    """The parts of a comma separated list."""
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


_OTHER_SOURCES = frozenset({"dsn", "service", "servicefile"})
"""Parameters of the address of a database that can name a host elsewhere."""

Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(split)]


class EncryptionSettings(BaseSettings):
    """The exceptions. Read with every address."""

    model_config = SettingsConfigDict(env_prefix="ONEDOOR_", extra="ignore", frozen=True, hide_input_in_errors=True)

    allow_unencrypted_connections_to: Names = Field(
        (),
        description="Names or addresses of other machines, comma separated, to which connections need not be "
        "encrypted, nor their servers verified. A listener on the way can read and change everything.",
    )


def is_loopback(host: str) -> bool:
    """Whether an address or a name is a loopback address of this machine."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def require_encryption(hosts: Iterable[str], en: str, zh: str) -> None:
    """Raise `ValueError` if one of these hosts is another machine and no exception names it.

    To be called for connections that are not encrypted, or whose server is not verified. ``en`` and ``zh`` say how they
    are.
    """
    for host in hosts:
        if not is_loopback(host) and host not in EncryptionSettings().allow_unencrypted_connections_to:
            raise fault(
                f"{host} is another machine, so the connection must be encrypted and the server verified: {en}. "
                f"To do without, name {host} in {EXCEPTION}",
                f"{host} 是另一台机器，连接须加密并验证服务器：{zh}。如确需例外，请在 {EXCEPTION} 中写明 {host}",
            )


def encrypted_url(url: str) -> str:
    """Check that an address of HTTP begins with https, unless it leads to this machine. Raises `ValueError`."""
    scheme, host = _scheme_and_host(url)
    if scheme not in ("http", "https") or not host:
        raise fault(
            "is no address of HTTP, such as https://example.gov.cn", "不是 HTTP 地址，例如 https://example.gov.cn"
        )
    if scheme != "https":
        require_encryption([host], "begin the address with https://", "地址须以 https:// 开头")
    return url


def origin(url: str) -> str:
    """Check that an address of HTTP is scheme, host and port alone, and encrypted as `encrypted_url` demands. Raises
    `ValueError`."""
    encrypted_url(url)
    parts = urlsplit(url)
    if parts.path or parts.query or parts.fragment or parts.username:
        raise fault(
            "must be scheme, host and port alone, without a path and without a slash at its end",
            "只写协议、主机和端口，不带路径，末尾不带斜杠",
        )
    return url


Origin = Annotated[str, AfterValidator(origin)]
"""The address of a site, without a path."""


def encrypted_database(address: str) -> str:
    """Check that the address of a database on another machine ends in ``?ssl=verify-full``. Raises `ValueError`.

    The authority of the server's certificate is read from ``PGSSLROOTCERT`` or ``~/.postgresql/root.crt``, as all
    clients of PostgreSQL do.
    """
    try:
        url = make_url(address)
    except (ArgumentError, ValueError):  # its text may have a part of the password
        url = None
    if url is None or url.drivername != "postgresql+asyncpg" or not _is_port(url.port):
        raise fault(
            "must be like postgresql+asyncpg://user:password@host:5432/name, with '/', ':', '@', '?', '#' and '%' of a "
            "password written as %2F, %3A, %40, %3F, %23 and %25",
            "须形如 postgresql+asyncpg://user:password@host:5432/name，密码中的 / : @ ? # % 须写作 "
            "%2F %3A %40 %3F %23 %25",
        )
    if url.query.get("ssl") != "verify-full":
        if (others := url.query.keys() & _OTHER_SOURCES) or (not url.host and "PGSERVICE" in os.environ):
            source = ", ".join(sorted(others)) or "PGSERVICE"
            raise fault(f"must name its host itself, not by {source}", f"须直接写明主机，不得通过 {source} 指定")
        named = url.query.get("host", ())  # stands for the host before the name of the database as well
        hosts = [named] if isinstance(named, str) else list(named)
        require_encryption(
            _machines(hosts or [url.host or os.environ.get("PGHOST", "")]),
            "end the address with ?ssl=verify-full, and name the file of its authority in PGSSLROOTCERT",
            "地址末尾加 ?ssl=verify-full，并用 PGSSLROOTCERT 指定签发机构的证书文件",
        )
    return address


def encrypted_kafka(addresses: str, protocol: str) -> None:
    """Check that brokers on other machines are reached by TLS. Raises `ValueError`."""
    if protocol not in ("SSL", "SASL_SSL"):
        require_encryption(
            (_scheme_and_host(f"//{address.strip()}")[1] or address for address in addresses.split(",")),
            "set ONEDOOR_KAFKA_SECURITY to SASL_SSL or SSL, and ONEDOOR_KAFKA_CA_FILE",
            "将 ONEDOOR_KAFKA_SECURITY 设为 SASL_SSL 或 SSL，并设置 ONEDOOR_KAFKA_CA_FILE",
        )


def _scheme_and_host(url: str) -> tuple[str, str | None]:
    """Scheme and host of an address; empty for a text that is none, or with a port that does not exist."""
    try:
        parts = urlsplit(url)
        return (parts.scheme, parts.hostname) if _is_port(parts.port) else ("", None)
    except ValueError:
        return "", None


def _is_port(port: int | None) -> bool:
    return port is None or 0 < port < 65536


def _machines(hosts: Iterable[str]) -> Iterator[str]:
    """The machines of PostgreSQL's ``host``: several, comma separated, each with its port; no folder of a socket.

    asyncpg takes a name that begins with ``/`` for a folder, and any other one for a machine.
    """
    for host in (one for listed in hosts for one in listed.split(",")):
        if host and not host.startswith("/"):
            yield _scheme_and_host(f"//{host}")[1] or host


def _checked(address: SecretStr) -> SecretStr:
    encrypted_database(address.get_secret_value())
    return address


DatabaseAddress = Annotated[SecretStr, AfterValidator(_checked)]
"""The address of a database, a secret, which is refused if the connection to another machine would not be encrypted."""
