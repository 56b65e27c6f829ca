"""The attempts to guess a secret, counted by what they are made on."""

from collections.abc import Iterable
from datetime import datetime
from hashlib import sha256

from sqlalchemy import Connection, text

from services.identity.core.throttle import Attempts, counted, opens_at


def take(connection: Connection, limits: Iterable[tuple[str, int]], now: datetime) -> datetime | None:
    """Count an attempt on each of these subjects, given with the attempts that are free, if all of them allow one.

    Returns None if it is allowed, else from when on the next one is. Then nothing is counted. Callers give subjects of
    several kinds in one order, or two attempts could wait for each other; the one that bounds the others comes first.
    """
    taken = []
    for subject, free in limits:
        connection.execute(
            text("INSERT INTO attempts (subject, count, latest_at) VALUES (:subject, 0, :now) ON CONFLICT DO NOTHING"),
            {"subject": subject, "now": now},
        )
        row = connection.execute(
            text("SELECT count, latest_at FROM attempts WHERE subject = :subject FOR UPDATE"), {"subject": subject}
        ).one()
        attempts = Attempts(*row)
        opens = opens_at(attempts, free)
        if opens is not None and opens > now:
            return opens
        taken.append((subject, counted(attempts, free, now)))
    for subject, attempts in taken:
        connection.execute(
            text("UPDATE attempts SET count = :count, latest_at = :at WHERE subject = :subject"),
            {"subject": subject, "count": attempts.number, "at": attempts.latest_at},
        )
    return None


def of_account(person_id: str) -> str:
    """The subject of the attempts on an account, whether there is one of this id or not."""
    return f"account:{sha256(person_id.encode()).hexdigest()}"


def on_accounts(connection: Connection, person_ids: Iterable[str]) -> dict[str, Attempts]:
    """The attempts on these accounts, of those that have any."""
    subjects = {of_account(one): one for one in person_ids}
    rows = connection.execute(
        text("SELECT subject, count AS number, latest_at FROM attempts WHERE subject = ANY(:subjects)"),
        {"subjects": list(subjects)},
    )
    return {subjects[row.subject]: Attempts(row.number, row.latest_at) for row in rows}


def were_right(connection: Connection, subjects: Iterable[str]) -> None:
    """An attempt on these subjects was right. It was none to guess: the address counts one less, all else from the
    beginning."""
    for subject in subjects:
        shared = subject.startswith("address:")
        statement = _ONE_LESS if shared else "DELETE FROM attempts WHERE subject = :subject"
        connection.execute(text(statement), {"subject": subject})


_ONE_LESS = "UPDATE attempts SET count = greatest(count - 1, 0) WHERE subject = :subject"
