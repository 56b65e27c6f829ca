"""Faults of a catalogue that no single field shows."""

from collections.abc import Iterable, Iterator

from services.intake.core.catalogue.models import Bundle, Catalogue, Item, ItemKind, LimitDays

Finding = tuple[str, str]
"""The place, as ``items[code].field``, and the fault there."""


def lint(catalogue: Catalogue) -> list[Finding]:
    """All faults of the catalogue, in the order of the file."""
    # A plan is named by the code of its item or bundle, so that the two may not share one.
    matters: tuple[Item | Bundle, ...] = (*catalogue.items, *catalogue.bundles)
    return [
        *_duplicates("departments", (d.code for d in catalogue.departments)),
        *_duplicates("materials", (m.code for m in catalogue.materials)),
        *_duplicates("items and bundles", (m.code for m in matters)),
        *(finding for item in catalogue.items for finding in _item(item, catalogue)),
        *(finding for bundle in catalogue.bundles for finding in _bundle(bundle, catalogue)),
    ]


def _duplicates(place: str, codes: Iterable[str]) -> Iterator[Finding]:
    seen: set[str] = set()
    for code in codes:
        if code in seen:
            yield f"{place}[{code}]", "the code is used twice"
        seen.add(code)


def _item(item: Item, catalogue: Catalogue) -> Iterator[Finding]:
    place = f"items[{item.code}]"
    if item.department not in {department.code for department in catalogue.departments}:
        yield f"{place}.department", f"there is no department {item.department}"
    known = {material.code for material in catalogue.materials}
    for material in item.materials:
        if material not in known:
            yield f"{place}.materials", f"there is no material {material}"
    yield from _duplicates(f"{place}.materials", item.materials)
    if item.produces is not None and item.produces not in known:
        yield f"{place}.produces", f"there is no material {item.produces}"
    yield from _limits(place, item.limits)
    if item.kind is ItemKind.FILING and item.limits.committed > 0:
        yield f"{place}.limits.committed", "a filing must be completed on the spot, within 0 working days"


def _bundle(bundle: Bundle, catalogue: Catalogue) -> Iterator[Finding]:
    place = f"bundles[{bundle.code}]"
    if bundle.lead not in {department.code for department in catalogue.departments}:
        yield f"{place}.lead", f"there is no department {bundle.lead}"
    yield from _limits(place, bundle.limits)
    yield from _duplicates(f"{place}.steps", (step.step for step in bundle.steps))
    items = {item.code: item for item in catalogue.items}
    steps = {step.step for step in bundle.steps}
    for step in bundle.steps:
        step_place = f"{place}.steps[{step.step}]"
        for earlier in step.after:
            if earlier not in steps:
                yield f"{step_place}.after", f"there is no step {earlier}"
        item = items.get(step.item)
        if item is None:
            yield f"{step_place}.item", f"there is no item {step.item}"
            continue
        for name in ("committed", "statutory"):
            own, whole = getattr(item.limits, name), getattr(bundle.limits, name)
            if own > whole:
                yield (
                    f"{step_place}.item",
                    f"its {name} limit of {own} working days is longer than the bundle's {whole}",
                )
    yield from _order(bundle, items)


def _order(bundle: Bundle, items: dict[str, Item]) -> Iterator[Finding]:
    """Steps that wait for each other, and steps that may start before a document that they need is produced."""
    before: dict[str, set[str]] = {}  # step -> all steps that are done when it starts
    steps = {step.step for step in bundle.steps}
    while ready := [s for s in bundle.steps if s.step not in before and before.keys() >= steps.intersection(s.after)]:
        for step in ready:
            before[step.step] = {e for a in step.after if a in before for e in (a, *before[a])}
    if stuck := sorted(steps - before.keys()):
        yield f"bundles[{bundle.code}].steps", f"these can never start, each waiting for another: {', '.join(stuck)}"
    producer = {items[s.item].produces: s.step for s in bundle.steps if s.item in items and items[s.item].produces}
    for step in bundle.steps:
        needed = items[step.item].materials if step.item in items else ()
        for material in needed:
            if material in producer and step.step in before and producer[material] not in before[step.step]:
                step_place = f"bundles[{bundle.code}].steps[{step.step}].after"
                yield (
                    step_place,
                    f"the step needs {material}, which step {producer[material]} produces, and must come after it",
                )


def _limits(place: str, limits: LimitDays) -> Iterator[Finding]:
    if limits.committed > limits.statutory:
        yield f"{place}.limits.committed", f"longer than the statutory limit of {limits.statutory} working days"
