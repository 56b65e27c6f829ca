"""Accounts as those see them who manage people."""

from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, text

from contracts.rights.actor import Actor
from services.identity.core.accounts import Request, Standing, State, locked_until, state_of
from services.identity.core.throttle import Attempts
from services.identity.store import attempts
from services.identity.store.people import OPEN


class Listed(NamedTuple):
    """An account. Moments are machine time."""

    person_id: str
    name: str
    state: State
    has_password: bool
    passkeys: int
    sessions: int
    """Logins that nobody has ended."""
    logged_in_at: datetime | None
    left_at: datetime | None
    locked_until: datetime | None
    code_until: datetime | None
    """Until when a code can be used that has been given out and has not been used."""
    asked: Request | None
    """Somebody has asked for the enrolment, which waits for a second person."""


class Wanted(NamedTuple):
    """Selects accounts. All given conditions must fit. ``text``: a part of the id or of the name; ``after``: an id."""

    text: str | None = None
    state: State | None = None
    waiting: bool = False
    """Only those whose enrolment waits for a second person."""
    after: str = ""
    person_id: str | None = None


_ENROLLED = "(password_hash IS NOT NULL OR EXISTS (SELECT FROM passkeys WHERE passkeys.person_id = people.person_id))"

_CONDITIONS = {
    State.DISABLED: "disabled_at IS NOT NULL",
    State.LEFT: "disabled_at IS NULL AND left_at IS NOT NULL",
    State.NOT_ENROLLED: f"disabled_at IS NULL AND left_at IS NULL AND NOT {_ENROLLED}",
    State.ACTIVE: f"disabled_at IS NULL AND left_at IS NULL AND {_ENROLLED}",
    # Most of these few are locked; the others are left out when their attempts are known.
    State.LOCKED: f"disabled_at IS NULL AND left_at IS NULL AND {_ENROLLED}"
    " AND 'account:' || encode(sha256(convert_to(people.person_id, 'UTF8')), 'hex') IN (SELECT subject FROM attempts)",
}

_QUERY = """
    SELECT people.person_id, name, password_hash IS NOT NULL AS has_password, disabled_at, left_at,
        (SELECT count(*) FROM passkeys WHERE passkeys.person_id = people.person_id) AS passkeys,
        (SELECT count(*) FROM sessions WHERE sessions.person_id = people.person_id AND ended_at IS NULL
            AND sessions.used_at > :idle_since AND sessions.created_at > :began_since) AS sessions,
        (SELECT at FROM access_record WHERE access_record.person = people.person_id AND act IN ('login', 'enrolment')
            AND outcome IN ('password', 'passkey') ORDER BY number DESC LIMIT 1) AS logged_in_at,
        open.secret_hash IS NULL AS waits, open.expires_at, open.asked_by, open.asked_for, open.reason,
        open.created_at AS asked_at
    FROM people LEFT JOIN enrolments AS open
        ON open.person_id = people.person_id AND open.used_at IS NULL AND open.expires_at > :now
    WHERE people.person_id > :after {conditions}
    ORDER BY people.person_id LIMIT :limit
"""


class Since(NamedTuple):
    """A login that was used, or began, before these moments has ended by itself."""

    idle: datetime
    began: datetime


def accounts(connection: Connection, wanted: Wanted, since: Since, now: datetime, limit: int | None) -> list[Listed]:
    """The first accounts by their id; all of them without a limit."""
    conditions, parameters = [], {}
    if wanted.text:
        conditions.append("(position(lower(:text) IN lower(people.person_id)) > 0 OR position(:text IN name) > 0)")
        parameters["text"] = wanted.text
    if wanted.person_id is not None:
        conditions.append("people.person_id = :person")
        parameters["person"] = wanted.person_id
    if wanted.state is not None:
        conditions.append(_CONDITIONS[wanted.state])
    if wanted.waiting:
        conditions.append("open.person_id IS NOT NULL AND open.secret_hash IS NULL")
    query = _QUERY.format(conditions="".join(f" AND {one}" for one in conditions))
    times = {"now": now, "idle_since": since.idle, "began_since": since.began}
    rows = connection.execute(text(query), {**parameters, **times, "after": wanted.after, "limit": limit}).all()
    tried = attempts.on_accounts(connection, [row.person_id for row in rows])
    found = [_listed(row, tried.get(row.person_id), now) for row in rows]
    return [one for one in found if wanted.state in (None, one.state)]


class Counts(NamedTuple):
    """How many accounts there are of each kind that somebody should know about."""

    open: int
    not_enrolled: int
    waiting: int


def counts(connection: Connection, now: datetime) -> Counts:
    """The accounts that are neither disabled nor of people who have left, those among them without enrolment, and the
    enrolments that wait for a second person."""
    row = connection.execute(
        text(
            f"SELECT count(*), count(*) FILTER (WHERE NOT {_ENROLLED}), (SELECT count(*) FROM enrolments"
            f" WHERE secret_hash IS NULL AND expires_at > :now) FROM people WHERE {OPEN}"
        ),
        {"now": now},
    ).one()
    return Counts(*row)


def _listed(row: Row[Any], tried: Attempts | None, now: datetime) -> Listed:
    is_enrolled = row.has_password or row.passkeys > 0
    is_open = row.expires_at is not None
    return Listed(
        row.person_id,
        row.name,
        state_of(Standing(is_enrolled, row.disabled_at, row.left_at, tried), now),
        row.has_password,
        row.passkeys,
        row.sessions,
        row.logged_in_at,
        row.left_at,
        locked_until(tried, now),
        row.expires_at if is_open and not row.waits else None,
        Request(Actor(row.asked_by, row.asked_for), row.reason, row.asked_at) if is_open and row.waits else None,
    )
