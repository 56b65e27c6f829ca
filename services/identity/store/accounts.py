"""Acts on accounts, by the directory or by people: each with all that it ends, and on record."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, text

from contracts.rights.actor import Actor
from services.identity.core.accounts import Request, gives_code
from services.identity.core.codes import written
from services.identity.store import attempts, enrolments, people, record, sessions
from services.identity.store.people import Person
from services.identity.store.record import Entry, Event

LOCK = 0x0D00C
"""Advisory lock of those who follow the directory, so that replicas do it one after the other."""


class By(NamedTuple):
    """The person who does something to an account, why, and from where. ``actor``: None before the first directory."""

    actor: Actor | None
    reason: str | None = None
    address: str | None = None


class Enrolment(NamedTuple):
    """The result of asking for an enrolment: its code, or None while it waits for a second person."""

    code: str | None
    asked_by: Actor | None = None


class NoAccount(Exception):
    """There is no such account, or it is not one to which this can be done."""


class OwnAccount(Exception):
    """People do not disable their own account, so that one person is left who can enable it."""


def follow(connection: Connection, listed: frozenset[str], now: datetime) -> None:
    """Give each of these people an account, and close the accounts of all others until they are back."""
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
    ids = {"ids": sorted(listed), "now": now}
    added = connection.scalars(
        text(
            "INSERT INTO people (person_id, name, user_handle, created_at)"
            " SELECT id, id, gen_random_uuid(), :now FROM unnest(CAST(:ids AS text[])) AS id"
            " ON CONFLICT DO NOTHING RETURNING person_id"
        ),
        ids,
    ).all()
    back = connection.scalars(
        text(
            "UPDATE people SET left_at = NULL WHERE person_id = ANY(:ids) AND left_at IS NOT NULL RETURNING person_id"
        ),
        {"ids": ids["ids"]},
    ).all()
    gone = connection.scalars(
        text("UPDATE people SET left_at = :now WHERE person_id <> ALL(:ids) AND left_at IS NULL RETURNING person_id"),
        ids,
    ).all()
    for person_id in gone:
        enrolments.drop(connection, person_id)
        sessions.end_all(connection, person_id, "left", now)
    by_event: tuple[tuple[Event, Iterable[str]], ...] = (("added", added), ("returned", back), ("left", gone))
    for event, ids_of_event in by_event:
        for person_id in sorted(ids_of_event):
            record.append(connection, Entry(event, "by the directory", person_id), now)


def add(connection: Connection, person_id: str, name: str, by: By, now: datetime) -> bool:
    """Add an account, or give its name to one that the directory has made. Returns False if it has a name already."""
    if not people.add(connection, person_id, name, now) and not people.give_name(connection, person_id, name):
        return False
    _record(connection, "added", "by a person", person_id, by, now)
    return True


def enrol(connection: Connection, person_id: str, code: str, by: By, now: datetime, *, four_eyes: bool) -> Enrolment:
    """Open the enrolment of a person by this code, or ask for it where a second person has to give it out.

    All that lets the person in now does so until the code is used. Raises `NoAccount`.
    """
    if not _found(connection, person_id).is_open:
        raise NoAccount
    asked = enrolments.asked(connection, person_id, now)
    if gives_code(asked, by.actor, four_eyes=four_eyes):
        enrolments.open_with(connection, person_id, code, now)
        asked_by = asked.actor if asked is not None and asked.actor != by.actor else None
        _record(connection, "enrolment", "code", person_id, by, now, asked_by)
        return Enrolment(written(code), asked_by)
    assert by.actor is not None
    enrolments.ask(connection, person_id, Request(by.actor, by.reason or "", now))
    _record(connection, "enrolment", "asked", person_id, by, now)
    return Enrolment(None, by.actor)


def withdraw(connection: Connection, person_id: str, by: By, now: datetime) -> None:
    """End the enrolment of a person: its code is worth nothing, and nobody is asked for one. Raises `NoAccount`."""
    _found(connection, person_id)
    enrolments.drop(connection, person_id)
    _record(connection, "enrolment", "withdrawn", person_id, by, now)


def disable(connection: Connection, person_id: str, by: By, now: datetime) -> int:
    """Disable an account, and end all that it has open. Returns the number of logins ended.

    Raises `NoAccount` and `OwnAccount`.
    """
    if by.actor is not None and by.actor.person == person_id:
        raise OwnAccount
    if not people.disable(connection, person_id, now):
        raise NoAccount
    enrolments.drop(connection, person_id)
    ended = sessions.end_all(connection, person_id, "disabled", now)
    _record(connection, "disabled", "by a person", person_id, by, now)
    return ended


def enable(connection: Connection, person_id: str, by: By, now: datetime) -> None:
    """Enable an account again, with the passkeys and the password that it had. Raises `NoAccount`."""
    if not people.enable(connection, person_id):
        raise NoAccount
    _record(connection, "enabled", "by a person", person_id, by, now)


def end_sessions(connection: Connection, person_id: str, by: By, now: datetime) -> int:
    """End all logins of a person. Returns their number. Raises `NoAccount`."""
    _found(connection, person_id)
    ended = sessions.end_all(connection, person_id, "elsewhere", now)
    _record(connection, "logout", "by a manager", person_id, by, now)
    return ended


def unlock(connection: Connection, person_id: str, by: By, now: datetime) -> None:
    """Forget the wrong passwords for an account, so that the next one is examined at once. Raises `NoAccount`."""
    _found(connection, person_id)
    attempts.were_right(connection, [attempts.of_account(person_id)])
    _record(connection, "unlocked", "by a person", person_id, by, now)


def _found(connection: Connection, person_id: str) -> Person:
    person = people.find(connection, person_id)
    if person is None:
        raise NoAccount
    return person


def _record(
    connection: Connection,
    event: Event,
    outcome: str,
    person_id: str,
    by: By,
    now: datetime,
    asked_by: Actor | None = None,
) -> None:
    actor = {} if by.actor is None else {"by": by.actor.person, "on_behalf_of": by.actor.on_behalf_of}
    asked = None if asked_by is None else str(asked_by)
    entry = Entry(event, outcome, person_id, address=by.address, reason=by.reason, asked_by=asked, **actor)
    record.append(connection, entry, now)
