"""Finds applications whose outcome is known beforehand: which steps the sandboxes refuse or answer late.

A sandbox draws its behaviour from its seed and the task id. The task id begins with the case number, which follows from
the Idempotency-Key. So a key with the desired outcome can be searched for before anything is sent.
"""

from collections.abc import Collection
from dataclasses import replace
from datetime import date
from itertools import count
from typing import Any

from contracts.messages.plans import Outcome, Plan, PlanStep
from onedoor.applicants import citizen_number
from services.departments.sandbox.behaviour import Behaviour, simulated_outcome
from services.intake.catalogue.load import sample_catalogue
from services.intake.core.case_numbers import number_for_key
from services.intake.core.catalogue.offers import Offers
from services.registry import default_systems
from tests.support.centre import BEGINS

REGION = "450102"
OFFERS = Offers(sample_catalogue(), default_systems())


def plan_of(matter: str) -> Plan:
    """The plan of a bundle or an item of the sample catalogue."""
    offer = OFFERS.bundle(matter) or OFFERS.item(matter)
    assert offer is not None
    return offer.plan


def key_for(
    name: str,
    secret_key: str,
    behaviour: Behaviour,
    plan: Plan,
    late: Collection[str] = (),
    refused: Collection[str] = (),
) -> str:
    """A key, beginning with the name, under which exactly these steps will be late, or refused."""
    for attempt in count():
        key = f"{name}/{attempt}"
        number = number_for_key(secret_key.encode(), key)
        outcomes = {step.step: _late_and_refused(behaviour, number, step) for step in plan.steps}
        if all(outcome == (step in late, step in refused) for step, outcome in outcomes.items()):
            return key
    raise AssertionError("counting never ends")


def _late_and_refused(behaviour: Behaviour, number: str, step: PlanStep) -> tuple[bool, bool]:
    """Whether the department will be late, and whether it will refuse."""
    foreseen = simulated_outcome(replace(behaviour, seed=step.system), f"{number}/{step.step}", step.item, BEGINS)
    return (foreseen.decide_at - BEGINS).days >= behaviour.late_days, foreseen.outcome is Outcome.REFUSED


def person(number: int) -> dict[str, str]:
    """A person whose name and citizen number occur nowhere else."""
    born = date(1983, number // 28 % 12 + 1, number % 28 + 1)
    return {"kind": "person", "name": f"欧阳验{number:03d}", "id_number": citizen_number(born, number, REGION)}


def application(matter: str, applicant: dict[str, str]) -> dict[str, Any]:
    """A complete application for a bundle or an item of the sample catalogue."""
    kind, offer = ("bundle", offered) if (offered := OFFERS.bundle(matter)) else ("item", OFFERS.item(matter))
    assert offer is not None
    materials = [material.code for material in offer.required]
    return {kind: matter, "applicant": applicant, "materials": materials, "region": REGION, "channel": "web"}
