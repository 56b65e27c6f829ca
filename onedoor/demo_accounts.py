"""Accounts of the demo that are ready to log in, one for each role with pages."""

import secrets
from typing import NamedTuple

from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from contracts.bilingual import both
from services.identity.jobs.passwords import Passwords
from services.identity.store import people, record
from services.identity.store.record import Entry
from services.runtime.clock import machine_now


class Head(NamedTuple):
    """A person, and the department of which this person is the head in the directory that comes with onedoor."""

    person: str
    department: str


APPELLANT = Head("sun", "Commerce (市场监管局)")
"""The head who appeals against a card."""


class Account(NamedTuple):
    """An account with its password, which is drawn for each run of the demo."""

    person_id: str
    name: str
    role: str
    password: str


_PEOPLE = (
    ("zhao", "赵敏", both("clerk", "窗口人员")),
    ("sun", "孙静", both("head of a department", "部门负责人")),
    ("zhou", "周宁", both("supervisor", "监督人员")),
    ("feng", "冯远", both("manager of the centre", "中心管理人员")),
    ("chu", "褚言", both("operator", "运行维护人员")),
)
"""People of the directory that comes with onedoor."""


async def ready_accounts(database: str) -> list[Account]:
    """Make the accounts in the database of the issuer."""
    accounts = [Account(*person, secrets.token_urlsafe(12)) for person in _PEOPLE]
    passwords = Passwords()
    hashes = [await passwords.hashed(account.password) for account in accounts]

    def add(connection: Connection) -> None:
        for account, password_hash in zip(accounts, hashes, strict=True):
            if not people.add(connection, account.person_id, account.name, machine_now()):
                people.give_name(connection, account.person_id, account.name)  # the directory has made it
            people.set_password(connection, account.person_id, password_hash)
            record.append(connection, Entry("added", "by the demo", account.person_id), machine_now())

    engine = create_async_engine(database, poolclass=NullPool, hide_parameters=True)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(add)
    finally:
        await engine.dispose()
    return accounts
