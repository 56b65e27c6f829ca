"""Requests of devices without a browser, which wait for a person's consent (RFC 8628)."""

from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection, text

from services.identity.store.secrets import hashed


class DeviceRequest(NamedTuple):
    """A request as the device asks for it. ``polled_at`` is when it asked before."""

    client_id: str
    scope: str
    expires_at: datetime
    polled_at: datetime | None
    grant_id: UUID | None
    denied: bool


class WaitingRequest(NamedTuple):
    """A request as the person sees it."""

    client_id: str
    scope: str


def add(
    connection: Connection,
    device_code: str,
    user_code: str,
    client_id: str,
    scope: str,
    valid: timedelta,
    now: datetime,
) -> None:
    """Keep a request."""
    connection.execute(
        text(
            "INSERT INTO device_requests (device_hash, user_code_hash, client_id, scope, expires_at)"
            " VALUES (:device, :user, :client, :scope, :expires)"
        ),
        {
            "device": hashed(device_code),
            "user": hashed(user_code),
            "client": client_id,
            "scope": scope,
            "expires": now + valid,
        },
    )


def poll(connection: Connection, device_code: str, now: datetime) -> DeviceRequest | None:
    """The request of a device that asks now, locked. None if it is unknown, or its tokens have been given."""
    row = connection.execute(
        text(
            "SELECT client_id, scope, expires_at, polled_at, grant_id, denied FROM device_requests"
            " WHERE device_hash = :device AND used_at IS NULL FOR UPDATE"
        ),
        {"device": hashed(device_code)},
    ).one_or_none()
    if row is None:
        return None
    connection.execute(
        text("UPDATE device_requests SET polled_at = :now WHERE device_hash = :device"),
        {"device": hashed(device_code), "now": now},
    )
    return DeviceRequest(*row)


def use(connection: Connection, device_code: str, now: datetime) -> None:
    """The tokens of this request have been given."""
    connection.execute(
        text("UPDATE device_requests SET used_at = :now WHERE device_hash = :device"),
        {"device": hashed(device_code), "now": now},
    )


def waiting(connection: Connection, user_code: str, now: datetime) -> WaitingRequest | None:
    """The request with this code for people, if it waits for consent. The row is locked."""
    row = connection.execute(
        text(
            "SELECT client_id, scope FROM device_requests WHERE user_code_hash = :user AND expires_at > :now"
            " AND grant_id IS NULL AND NOT denied FOR UPDATE"
        ),
        {"user": hashed(user_code), "now": now},
    ).one_or_none()
    return None if row is None else WaitingRequest(*row)


def decide(connection: Connection, user_code: str, grant_id: UUID | None) -> None:
    """The person has consented by this grant, or has refused."""
    connection.execute(
        text("UPDATE device_requests SET grant_id = :grant, denied = :denied WHERE user_code_hash = :user"),
        {"user": hashed(user_code), "grant": grant_id, "denied": grant_id is None},
    )
