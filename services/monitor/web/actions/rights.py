"""Shared by the actions of people: their requests, and whether the work lies in the scope of the person."""

from typing import Any

from pydantic import ConfigDict

from contracts.messages.fields import Reason
from contracts.values import Model
from services.monitor.store.alerts import NumberedAlert
from services.runtime.security.access import Permit


class ActionRequest(Model):
    """An action of a person, who is the one that has logged in."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason


def covers(permit: Permit, alert: NumberedAlert) -> bool:
    """Whether an alert lies in the scope."""
    return permit.covers(alert.owner, alert.region, alert.matter)


def actor(permit: Permit, department: str, region: str, item: str) -> dict[str, Any]:
    """The fields of a message that say who acts, and for which person on leave."""
    return {"by": permit.person, "on_behalf_of": permit.on_behalf_of(department, region, item)}
