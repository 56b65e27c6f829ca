"""What ``onedoor people`` does in the database of the issuer."""

import secrets
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

import typer
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.messages.fields import PersonId
from contracts.rights.table import Act
from services.identity.core.codes import GROUP, GROUPS, LETTERS
from services.identity.store import accounts
from services.identity.store.accounts import By, Enrolment, NoAccount, OwnAccount
from services.identity.store.listing import Since, Wanted
from services.identity.store.listing import accounts as accounts_of
from services.operator.databases import need_own_databases, on_service
from services.operator.login.actor import Caller, calling
from services.operator.login.tokens import issuer_of
from services.operator.options import DatabaseOptions
from services.operator.output import UNCHANGED, print_remark, print_result, stop, wrong_option
from services.runtime.clock import machine_now
from services.runtime.fault_text import faults_of

T = TypeVar("T")

MOST_CHARACTERS = 60
"""The longest name of a person."""


def add_person(options: DatabaseOptions, person_id: str, name: str) -> None:
    """Add an account. Raises `typer.Exit`."""
    _check_id(person_id)
    shown = " ".join(name.split())
    if not shown or len(shown) > MOST_CHARACTERS or not shown.isprintable():
        raise wrong_option(
            f"write a name of at most {MOST_CHARACTERS} characters",
            f"请填写姓名，最多 {MOST_CHARACTERS} 个字符",
            "--name",
        )

    by = By(_caller(options).actor)

    if not _on_identity(options, lambda connection: accounts.add(connection, person_id, shown, by, machine_now())):
        en, zh = UNCHANGED
        raise stop(f"{person_id} has an account already; {en}", f"{person_id} 已有账号；{zh}")
    print_result(
        f"{person_id} added; 'onedoor people enrol {person_id}' prints the link to enrol",
        f"已添加；用 onedoor people enrol {person_id} 取得登记链接",
    )


def enrol_person(options: DatabaseOptions, person_id: str, reason: str | None) -> None:
    """Print a link of enrolment, or ask for one where a second person has to print it. Raises `typer.Exit`."""
    _check_id(person_id)
    address = issuer_of(options)
    code = "".join(secrets.choice(LETTERS) for _ in range(GROUPS * GROUP))
    caller = _caller(options)

    def work(connection: Connection) -> Enrolment:
        by = By(caller.actor, reason)
        return accounts.enrol(connection, person_id, code, by, machine_now(), four_eyes=caller.four_eyes)

    enrolment = _done(options, work, person_id, *_ADD)
    if enrolment.code is None:
        print_result(
            f"the enrolment of {person_id} is asked for. It takes two people: another one with the right prints the "
            f"link with 'onedoor people enrol {person_id}', or gives the code out on the page /people, within 72 hours",
            f"已申请为 {person_id} 登记。登记须两人办理：请另一位有权限的人员在 72 小时内运行 onedoor people enrol "
            f"{person_id}，或在页面 /people 发放登记码",
        )
        return
    print_remark(
        "give this link to the person alone; it works once, within 72 hours. What lets the person in until then ends "
        "with its use",
        "此链接只交给本人；72 小时内有效，只能用一次。使用后，原有密码和通行密钥随即失效",
    )
    typer.echo(f"{address}/enrol#{enrolment.code}")


def disable_person(options: DatabaseOptions, person_id: str, reason: str | None) -> None:
    """Disable an account, and end all that it has open. Raises `typer.Exit`."""
    _check_id(person_id)
    by = By(_caller(options).actor, reason)
    ended = _done(
        options, lambda connection: accounts.disable(connection, person_id, by, machine_now()), person_id, *_LIST
    )
    print_result(f"{person_id} disabled; logins ended: {ended}", f"已停用；结束的登录：{ended}")


def enable_person(options: DatabaseOptions, person_id: str, reason: str | None) -> None:
    """Enable an account again. Raises `typer.Exit`."""
    _check_id(person_id)
    by = By(_caller(options).actor, reason)
    _done(options, lambda connection: accounts.enable(connection, person_id, by, machine_now()), person_id, *_LIST)
    print_result(f"{person_id} enabled", "已启用")


def list_people(options: DatabaseOptions) -> None:
    """Print all accounts, tab separated."""
    now = machine_now()
    since = Since(now - LONGEST, now - LONGEST)
    found = _on_identity(options, lambda connection: accounts_of(connection, Wanted(), since, now, None))
    typer.echo("\t".join(_COLUMNS))
    for one in found:
        password = "yes" if one.has_password else "no"
        last = one.logged_in_at.isoformat(timespec="seconds") if one.logged_in_at is not None else "-"
        typer.echo(f"{one.person_id}\t{one.name}\t{password}\t{one.passkeys}\t{one.state}\t{last}")


_COLUMNS = ("person", "name", "password", "passkeys", "state", "last_login")

_LIST = ("'onedoor people list' shows all", "用 onedoor people list 查看全部账号")

_ADD = ("add or enable it first", "请先添加或启用")

LONGEST = timedelta(days=1)
"""How long a login may last here: the list of a command does not know the settings of the issuer."""


def _check_id(person_id: str) -> None:
    checked: TypeAdapter[str] = TypeAdapter(PersonId)
    try:
        checked.validate_python(person_id)
    except ValidationError as error:
        (fault, *_) = faults_of(error)
        raise wrong_option(fault.en, fault.zh, "PERSON") from None


def _caller(options: DatabaseOptions) -> Caller:
    """The person who gives the command. Monitor's database has the directory that gives the right."""
    need_own_databases(options, "identity", "monitor")
    return calling(options, "monitor", Act.MANAGE_PEOPLE)


def _done(options: DatabaseOptions, work: Callable[[Connection], T], person_id: str, en: str, zh: str) -> T:
    """Do the work, and return its result. Raises `typer.Exit` where there is no such account."""
    try:
        return _on_identity(options, work)
    except NoAccount:
        raise stop(f"{person_id} has no account that is open; {en}", f"{person_id} 没有可用账号；{zh}") from None
    except OwnAccount:
        raise stop(
            f"nobody disables their own account: have another person disable {person_id}",
            "不得停用本人账号：请由另一位有权限的人员停用",
        ) from None


def _on_identity(options: DatabaseOptions, work: Callable[[Connection], T]) -> T:
    async def on(database: AsyncEngine) -> T:
        async with database.begin() as connection:
            return await connection.run_sync(work)

    return on_service("identity", options, on)
