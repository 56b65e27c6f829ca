"""The plan of a case, made from an item or a bundle of the catalogue."""

from contracts.messages.plans import Fee, Limit, Limits, Plan, PlanStep
from services.intake.core.catalogue.models import (
    Bundle,
    BundleStep,
    Catalogue,
    Department,
    FeeEntry,
    Item,
    LimitDays,
    Material,
)

Matter = Item | Bundle
"""The subject of an application."""


def steps_of(matter: Matter) -> tuple[BundleStep, ...]:
    """The steps of a bundle. A single item is one step with the name of the item."""
    return matter.steps if isinstance(matter, Bundle) else (BundleStep(step=matter.code, item=matter.code),)


def items_of(catalogue: Catalogue, matter: Matter) -> tuple[Item, ...]:
    """The items of a matter, in the order of its steps."""
    items = {item.code: item for item in catalogue.items}
    return tuple(items[step.item] for step in steps_of(matter))


def required_materials(catalogue: Catalogue, matter: Matter) -> tuple[Material, ...]:
    """The materials that the applicant must hand in: each once, and none that an item of the bundle produces."""
    items = items_of(catalogue, matter)
    produced = {item.produces for item in items}
    needed = dict.fromkeys(code for item in items for code in item.materials if code not in produced)
    materials = {material.code: material for material in catalogue.materials}
    return tuple(materials[code] for code in needed)


def plan_for(catalogue: Catalogue, matter: Matter) -> Plan:
    """The plan of a case of this matter. It is complete: other services do not need the catalogue."""
    departments = {department.code: department for department in catalogue.departments}
    lead = matter.lead if isinstance(matter, Bundle) else matter.department
    items = items_of(catalogue, matter)
    return Plan(
        matter=matter.code,
        matter_name=matter.name.both,
        catalogue_version=catalogue.version,
        lead_department=departments[lead].name.both,
        limits=_limits(matter.limits),
        steps=tuple(
            _step(s, item, departments[item.department]) for s, item in zip(steps_of(matter), items, strict=True)
        ),
    )


def _step(step: BundleStep, item: Item, department: Department) -> PlanStep:
    return PlanStep(
        step=step.step,
        item=item.code,
        item_name=item.name.both,
        department=department.name.both,
        system=department.system,
        after=step.after,
        limits=_limits(item.limits),
        fees=tuple(map(_fee, item.fees)),
    )


def _limits(days: LimitDays) -> Limits:
    return Limits(committed=Limit(working_days=days.committed), statutory=Limit(working_days=days.statutory))


def _fee(fee: FeeEntry) -> Fee:
    return Fee(name=fee.name.both, amount_fen=fee.amount_fen, standard=fee.standard.both, basis=fee.basis.both)
