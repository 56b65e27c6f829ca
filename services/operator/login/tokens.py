"""The access token of a command: that of the environment, or that of the login of this account."""

from datetime import timedelta
from pathlib import Path

from contracts.faults import texts_of
from services.addresses import NoAddresses, read_addresses
from services.operator.databases import DEFAULT_FOLDER
from services.operator.login.issuer import Issuer, IssuerUnavailable, LoginEnded, LoginRefused, Tokens
from services.operator.login.kept import DamagedLogins, Login, Logins, locked_logins
from services.operator.login.settings import LoginSettings
from services.operator.options import DatabaseOptions
from services.operator.output import file_errors, stop, wrong_option
from services.runtime.clock import machine_now
from services.runtime.security.encryption import encrypted_url

TOKEN = "ONEDOOR_TOKEN"  # noqa: S105 - the name of a variable

BEFORE_END = timedelta(seconds=60)
"""How long before its end an access token is renewed."""


def issuer_of(options: DatabaseOptions) -> str:
    """The issuer of logins: as named, or else that of the ``onedoor up`` in the folder. Raises `typer.Exit`."""
    if options.issuer and options.folder is None:
        try:
            return encrypted_url(options.issuer).rstrip("/")
        except ValueError as wrong:
            raise wrong_option(*texts_of(wrong), "--issuer") from None
    if options.address and options.folder is None:
        raise stop(
            "a login is needed, and no issuer of logins is named: name it with --issuer or ONEDOOR_ISSUER",
            "须登录，但未指定登录签发方：请用 --issuer 或 ONEDOOR_ISSUER 指定",
        )
    return issuer_of_folder(options.folder)


def issuer_of_folder(folder: Path | None) -> str:
    """The issuer of the ``onedoor up`` in this folder, or in the default one. Raises `typer.Exit`."""
    folder = folder or DEFAULT_FOLDER
    try:
        issuer = read_addresses(folder).issuer
    except NoAddresses:
        issuer = ""
    if not issuer:
        raise stop(
            f"{folder} is no folder of 'onedoor up' with an issuer of logins: name its folder with --folder, or the "
            "issuer with --issuer",
            f"{folder} 不是带有登录签发方的 onedoor up 文件夹：请用 --folder 指定其文件夹，或用 --issuer 指定签发方",
        )
    return issuer


def given_token() -> str | None:
    """The access token in the environment, for programs. Raises `typer.Exit` for one that no header can have."""
    given = LoginSettings().token
    token = given.get_secret_value().strip() if given is not None else ""
    if not token.isascii() or not token.isprintable():
        raise stop(
            f"{TOKEN} has characters that no token has; copy it again", f"{TOKEN} 含有令牌不可能有的字符；请重新复制"
        )
    return token or None


def access_token(issuer: str) -> str:
    """The access token of the environment, or that of the login at this issuer, renewed if it ends soon.

    Raises `typer.Exit` where there is none.
    """
    if (given := given_token()) is not None:
        return given
    try:
        with file_errors(), locked_logins() as logins:
            login = logins.get(issuer)
            if login is None:
                raise stop(
                    f"you have no login at {issuer}: log in with 'onedoor login'",
                    f"您尚未在 {issuer} 登录：请用 onedoor login 登录",
                )
            if login.access_until > machine_now() + BEFORE_END:
                return login.access_token
            return _renewed(logins, issuer, login).access_token
    except (DamagedLogins, IssuerUnavailable, LoginEnded, LoginRefused) as error:
        raise stop(error.en, error.zh) from None


def kept(person: str, tokens: Tokens) -> Login:
    """What is kept of the tokens of this person."""
    return Login(
        person=person,
        access_token=tokens.access_token,
        access_until=machine_now() + timedelta(seconds=tokens.expires_in),
        refresh_token=tokens.refresh_token,
    )


def _renewed(logins: Logins, issuer: str, login: Login) -> Login:
    """The login with new tokens. Raises `LoginEnded`, `LoginRefused` and `IssuerUnavailable`."""
    with Issuer(issuer) as site:
        try:
            tokens = site.renew(login.refresh_token or "")
        except LoginEnded:
            logins.forget(issuer)
            raise
    if tokens.refresh_token is None:  # the issuer does not rotate: the old one stays
        tokens = tokens.model_copy(update={"refresh_token": login.refresh_token})
    renewed = kept(login.person, tokens)
    logins.keep(issuer, renewed)
    return renewed
