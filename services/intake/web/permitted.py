"""Which cases somebody may act on: those whose lead department, region and matter lie in the scope."""

from contracts.core import UnknownCase
from contracts.envelope import CaseId
from services.intake.core.state import Case
from services.runtime.security.access import Permit
from services.runtime.service import ServiceHost


async def permitted_case(host: ServiceHost[Case], permit: Permit, number: CaseId) -> Case:
    """The case. Raises `UnknownCase` also for one outside of the scope, so that the answers do not differ."""
    case = await host.read(number)
    if case is None or not permit.covers(*_place(case)):
        raise UnknownCase(number)
    return case


def author_of(permit: Permit, case: Case) -> dict[str, str | None]:
    """The fields of a message that say who changes the case, and for which person on leave."""
    return {"by": permit.person, "on_behalf_of": permit.on_behalf_of(*_place(case))}


def _place(case: Case) -> tuple[str, str, str]:
    accepted = case.accepted
    return accepted.plan.lead_department, accepted.region, accepted.plan.matter
