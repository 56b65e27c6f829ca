"""What ``onedoor people`` does in the database of the issuer."""

import secrets
from collections.abc import Callable
from typing import TypeVar

import typer
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.messages.fields import PersonId
from contracts.rights.actor import Actor
from contracts.rights.table import Act
from services.identity.store import people, record, sessions
from services.identity.store.record import Entry, Event
from services.operator.databases import need_own_databases, on_service
from services.operator.login.actor import acting
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

    actor = _actor(options)

    def work(connection: Connection) -> bool:
        added = people.add(connection, person_id, shown, machine_now())
        if added:
            _record(connection, "added", "by an operator", person_id, actor)
        return added

    if not _on_identity(options, work):
        en, zh = UNCHANGED
        raise stop(f"{person_id} has an account already; {en}", f"{person_id} 已有账号；{zh}")
    print_result(
        f"{person_id} added; 'onedoor people enrol {person_id}' prints the link to enrol",
        f"已添加；用 onedoor people enrol {person_id} 取得登记链接",
    )


def enrol_person(options: DatabaseOptions, person_id: str) -> None:
    """Print a link of enrolment. Raises `typer.Exit`."""
    _check_id(person_id)
    address = issuer_of(options)
    secret = secrets.token_urlsafe(24)

    actor = _actor(options)

    def work(connection: Connection) -> bool:
        person = people.find(connection, person_id)
        if person is None or person.disabled_at is not None:
            return False
        people.open_enrolment(connection, person_id, secret, machine_now())
        _record(connection, "enrolment", "link", person_id, actor)
        return True

    if not _on_identity(options, work):
        raise _no_account(person_id, "add or enable it first", "请先添加或启用")
    print_remark(
        "give this link to the person alone; it works once, within 72 hours",
        "此链接只交给本人；72 小时内有效，只能用一次",
    )
    typer.echo(f"{address}/enrol#{secret}")


def disable_person(options: DatabaseOptions, person_id: str) -> None:
    """Disable an account, and end all that it has open. Raises `typer.Exit`."""
    _check_id(person_id)

    actor = _actor(options)

    def work(connection: Connection) -> int | None:
        if not people.disable(connection, person_id, machine_now()):
            return None
        ended = sessions.end_all(connection, person_id, "disabled", machine_now())
        _record(connection, "disabled", "by an operator", person_id, actor)
        return ended

    ended = _on_identity(options, work)
    if ended is None:
        raise _no_account(person_id, *_LIST)
    print_result(f"{person_id} disabled; logins ended: {ended}", f"已停用；结束的登录：{ended}")


def enable_person(options: DatabaseOptions, person_id: str) -> None:
    """Enable an account again. Raises `typer.Exit`."""
    _check_id(person_id)

    actor = _actor(options)

    def work(connection: Connection) -> bool:
        if not people.enable(connection, person_id):
            return False
        _record(connection, "enabled", "by an operator", person_id, actor)
        return True

    if not _on_identity(options, work):
        raise _no_account(person_id, *_LIST)
    print_result(f"{person_id} enabled", "已启用")


def list_people(options: DatabaseOptions) -> None:
    """Print all accounts, tab separated."""
    found = _on_identity(options, people.listed)
    typer.echo("\t".join(_COLUMNS))
    for one in found:
        password = "yes" if one.has_password else "no"
        enrolled = one.has_password or one.passkeys
        state = "disabled" if one.disabled_at is not None else ("enrolled" if enrolled else "not enrolled")
        last = one.logged_in_at.isoformat(timespec="seconds") if one.logged_in_at is not None else "-"
        typer.echo(f"{one.person_id}\t{one.name}\t{password}\t{one.passkeys}\t{state}\t{last}")


_COLUMNS = ("person", "name", "password", "passkeys", "state", "last_login")

_LIST = ("'onedoor people list' shows all", "用 onedoor people list 查看全部账号")


def _no_account(person_id: str, en: str, zh: str) -> typer.Exit:
    return stop(f"{person_id} has no account that is enabled; {en}", f"{person_id} 没有可用账号；{zh}")


def _check_id(person_id: str) -> None:
    checked: TypeAdapter[str] = TypeAdapter(PersonId)
    try:
        checked.validate_python(person_id)
    except ValidationError as error:
        (fault, *_) = faults_of(error)
        raise wrong_option(fault.en, fault.zh, "PERSON") from None


def _actor(options: DatabaseOptions) -> Actor | None:
    """The person who gives the command. Monitor's database has the directory that gives the right."""
    need_own_databases(options, "identity", "monitor")
    return acting(options, "monitor", Act.MANAGE_PEOPLE)


def _record(connection: Connection, event: Event, outcome: str, person_id: str, actor: Actor | None) -> None:
    by = {} if actor is None else {"by": actor.person, "on_behalf_of": actor.on_behalf_of}
    record.append(connection, Entry(event, outcome, person_id, **by), machine_now())


def _on_identity(options: DatabaseOptions, work: Callable[[Connection], T]) -> T:
    async def on(database: AsyncEngine) -> T:
        async with database.begin() as connection:
            return await connection.run_sync(work)

    return on_service("identity", options, on)
