"""Acts on accounts with the right to manage people: for API and pages alike."""

import secrets
from collections.abc import Callable
from enum import StrEnum, unique

from sqlalchemy import Connection

from contracts.rights.actor import Actor
from services.identity.core.codes import GROUP, GROUPS, LETTERS
from services.identity.store import accounts, listing
from services.identity.store.accounts import By, Enrolment, NoAccount, OwnAccount
from services.identity.store.listing import Listed, Since, Wanted
from services.identity.web.issuer import Issuer
from services.runtime.http.problems import Problem, not_found


@unique
class AccountAct(StrEnum):
    """An act on an account beside its enrolment."""

    DISABLE = "disable"
    ENABLE = "enable"
    UNLOCK = "unlock"
    END_SESSIONS = "end-sessions"
    WITHDRAW = "withdraw-enrolment"


_WORK: dict[AccountAct, Callable[..., object]] = {
    AccountAct.DISABLE: accounts.disable,
    AccountAct.ENABLE: accounts.enable,
    AccountAct.UNLOCK: accounts.unlock,
    AccountAct.END_SESSIONS: accounts.end_sessions,
    AccountAct.WITHDRAW: accounts.withdraw,
}


async def listed(issuer: Issuer, wanted: Wanted, limit: int) -> list[Listed]:
    """The first accounts that are wanted, by their id."""
    now, limits = issuer.now(), issuer.limits
    since = Since(now - limits.idle, now - limits.longest)
    return await issuer.run(lambda connection: listing.accounts(connection, wanted, since, now, limit))


async def account(issuer: Issuer, person_id: str) -> Listed:
    """The account of this person. Raises `Problem` 404."""
    found = await listed(issuer, Wanted(person_id=person_id), 1)
    if not found:
        raise _missing()
    return found[0]


async def enrol(issuer: Issuer, person_id: str, actor: Actor, reason: str) -> Enrolment:
    """Ask for the enrolment of a person, or give its code out where that takes nobody else. Raises `Problem`."""
    holders = issuer.access.holders
    four_eyes = holders is None or holders.four_eyes
    code = new_code()

    def work(connection: Connection) -> Enrolment:
        by = By(actor, reason)
        return accounts.enrol(connection, person_id, code, by, issuer.now(), four_eyes=four_eyes)

    try:
        return await issuer.run(work)
    except NoAccount:
        raise _closed() from None


async def do(issuer: Issuer, act: AccountAct, person_id: str, actor: Actor, reason: str) -> None:
    """Do this to an account. Raises `Problem`."""
    try:
        await issuer.run(lambda connection: _WORK[act](connection, person_id, By(actor, reason), issuer.now()))
    except NoAccount:
        raise _missing() from None
    except OwnAccount:
        raise Problem(
            409,
            "own-account",
            "Nobody disables the own account",
            "不得停用本人账号",
            detail="have another person with the right disable it",
            detail_zh="请由另一位有权限的人员停用",
        ) from None


def new_code() -> str:
    """A new code of enrolment."""
    return "".join(secrets.choice(LETTERS) for _ in range(GROUPS * GROUP))


def _missing() -> Problem:
    return not_found("nobody has such an account", "没有这个账号")


def _closed() -> Problem:
    return not_found(
        "nobody has such an account that is open: enable it first, or give the person a post in the directory",
        "没有可用的账号：请先启用该账号，或在人员名录中为其设置岗位",
    )
