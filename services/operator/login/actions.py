"""Logs in and out, and prints who is logged in."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import typer
from rich.console import Console

from services.operator.login.actor import verified
from services.operator.login.issuer import Codes, Issuer, IssuerUnavailable, LoginRefused
from services.operator.login.kept import DamagedLogins, locked_logins
from services.operator.login.tokens import access_token, kept
from services.operator.output import file_errors, print_remark, print_result, stop


def log_in(issuer: str, pause: Callable[[float], None]) -> None:
    """Log in at an issuer, by a browser. ``pause`` waits for so many machine seconds. Raises `typer.Exit`."""
    try:
        with Issuer(issuer) as site:
            codes = site.codes()
            _print(codes)
            tokens = site.wait(codes, pause)
        person = asyncio.run(verified(issuer, tokens.access_token)).subject
        with file_errors(), locked_logins() as logins:
            before = logins.get(issuer)
            logins.keep(issuer, kept(person, tokens))
        if before is not None and before.refresh_token is not None:
            with suppress(IssuerUnavailable), Issuer(issuer) as site:  # it ends by itself otherwise
                site.give_back(before.refresh_token)
    except (DamagedLogins, IssuerUnavailable, LoginRefused) as error:
        raise stop(error.en, error.zh) from None
    print_result(f"logged in at {issuer} as {person}", f"已在 {issuer} 登录：{person}")


def log_out(issuer: str) -> None:
    """End the login at an issuer, here and there. Raises `typer.Exit`."""
    try:
        with file_errors(), locked_logins() as logins:
            login = logins.get(issuer)
            if login is None:
                raise stop(f"you have no login at {issuer}; nothing changes", f"您未在 {issuer} 登录；没有变更")
            logins.forget(issuer)
        if login.refresh_token is not None:
            with Issuer(issuer) as site:
                site.give_back(login.refresh_token)
    except DamagedLogins as error:
        raise stop(error.en, error.zh) from None
    except IssuerUnavailable as error:
        print_remark(
            f"{error.en}. The login is forgotten here, and ends there by itself",
            f"{error.zh}。本机已删除此登录，签发方处将自行结束",
        )
    print_result(f"logged out at {issuer}", f"已退出 {issuer} 的登录")


def print_person(issuer: str) -> None:
    """Print the person under whose login commands act, and the issuer. Raises `typer.Exit`."""
    token = asyncio.run(verified(issuer, access_token(issuer)))
    typer.echo(f"{token.subject}\t{issuer}")


def _print(codes: Codes) -> None:
    print_remark("open this address in a browser, and type the code there", "请在浏览器中打开此网址，并输入代码")
    address, console = codes.verification_uri_complete or codes.verification_uri, Console()
    if console.is_terminal:
        console.print(address, style=f"link {address}", soft_wrap=True, highlight=False, markup=False)
    else:
        typer.echo(codes.verification_uri)
    typer.echo(codes.user_code)
