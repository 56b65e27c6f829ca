"""Faults of a catalogue that no field shows by itself. Pure."""

from collections.abc import Iterable, Iterator

from services.intake.core.catalogue.models import Bundle, Catalogue, Item, ItemKind, LimitDays

Finding = tuple[str, str]
"""Where, as ``items[code].field``, and what is wrong there."""


def lint(catalogue: Catalogue) -> list[Finding]:
    """Everything wrong with the catalogue, in the order of the file."""
    # Items and bundles are asked for by code in the same way, and a plan is named by it.
    matters: tuple[Item | Bundle, ...] = (*catalogue.items, *catalogue.bundles)
    return [
        *_twice("departments", (d.code for d in catalogue.departments)),
        *_twice("materials", (m.code for m in catalogue.materials)),
        *_twice("items and bundles", (m.code for m in matters)),
        *(finding for item in catalogue.items for finding in _item(item, catalogue)),
        *(finding for bundle in catalogue.bundles for finding in _bundle(bundle, catalogue)),
    ]


def _twice(where: str, codes: Iterable[str]) -> Iterator[Finding]:
    seen: set[str] = set()
    for code in codes:
        if code in seen:
            yield f"{where}[{code}]", "the code is used twice"
        seen.add(code)


def _item(item: Item, catalogue: Catalogue) -> Iterator[Finding]:
    here = f"items[{item.code}]"
    if item.department not in {department.code for department in catalogue.departments}:
        yield f"{here}.department", f"there is no department {item.department}"
    known = {material.code for material in catalogue.materials}
    for material in item.materials:
        if material not in known:
            yield f"{here}.materials", f"there is no material {material}"
    yield from _twice(f"{here}.materials", item.materials)
    if item.produces is not None and item.produces not in known:
        yield f"{here}.produces", f"there is no material {item.produces}"
    yield from _limits(here, item.limits)
    if item.kind is ItemKind.FILING and item.limits.committed > 0:
        yield f"{here}.limits.committed", "a filing must be completed on the spot, within 0 working days"


def _bundle(bundle: Bundle, catalogue: Catalogue) -> Iterator[Finding]:
    here = f"bundles[{bundle.code}]"
    if bundle.lead not in {department.code for department in catalogue.departments}:
        yield f"{here}.lead", f"there is no department {bundle.lead}"
    yield from _limits(here, bundle.limits)
    yield from _twice(f"{here}.steps", (step.step for step in bundle.steps))
    items = {item.code: item for item in catalogue.items}
    steps = {step.step for step in bundle.steps}
    for step in bundle.steps:
        there = f"{here}.steps[{step.step}]"
        for earlier in step.after:
            if earlier not in steps:
                yield f"{there}.after", f"there is no step {earlier}"
        item = items.get(step.item)
        if item is None:
            yield f"{there}.item", f"there is no item {step.item}"
            continue
        for name in ("committed", "statutory"):
            own, whole = getattr(item.limits, name), getattr(bundle.limits, name)
            if own > whole:
                yield f"{there}.item", f"its {name} limit of {own} working days is longer than the bundle's {whole}"
    yield from _order(bundle, items)


def _order(bundle: Bundle, items: dict[str, Item]) -> Iterator[Finding]:
    """Steps that wait for each other, and steps that need a document which is not there yet when they start."""
    before: dict[str, set[str]] = {}
    steps = {step.step for step in bundle.steps}
    while ready := [s for s in bundle.steps if s.step not in before and before.keys() >= steps.intersection(s.after)]:
        for step in ready:
            before[step.step] = {e for a in step.after if a in before for e in (a, *before[a])}
    if stuck := sorted(steps - before.keys()):
        yield f"bundles[{bundle.code}].steps", f"these can never start, each waiting for another: {', '.join(stuck)}"
    maker = {items[s.item].produces: s.step for s in bundle.steps if s.item in items and items[s.item].produces}
    for step in bundle.steps:
        needed = items[step.item].materials if step.item in items else ()
        for material in needed:
            if material in maker and step.step in before and maker[material] not in before[step.step]:
                there = f"bundles[{bundle.code}].steps[{step.step}].after"
                yield there, f"the step needs {material}, which {maker[material]} makes, and must come after it"


def _limits(here: str, limits: LimitDays) -> Iterator[Finding]:
    if limits.committed > limits.statutory:
        yield f"{here}.limits.committed", f"longer than the statutory limit of {limits.statutory} working days"
