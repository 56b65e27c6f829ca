"""Faults of a catalogue that no single field shows."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from contracts.envelope import Code
from services.intake.core.catalogue.models import Bundle, Catalogue, Item, ItemKind, LimitDays

Path = tuple[int | str, ...]
"""Where an entry stands in the catalogue: field names, and places in lists."""


class Finding(NamedTuple):
    """A fault and its place."""

    path: Path
    reason: str


def lint(catalogue: Catalogue) -> list[Finding]:
    """All faults of the catalogue, in the order of the file."""
    # A plan is named by the code of its item or bundle, so that the two may not share one.
    matters = [
        *_placed(("items",), [item.code for item in catalogue.items]),
        *_placed(("bundles",), [bundle.code for bundle in catalogue.bundles]),
    ]
    return [
        *_duplicates(_placed(("departments",), [one.code for one in catalogue.departments])),
        *_duplicates(_placed(("materials",), [one.code for one in catalogue.materials])),
        *_duplicates(matters),
        *(found for n, item in enumerate(catalogue.items) for found in _item(("items", n), item, catalogue)),
        *(found for n, bundle in enumerate(catalogue.bundles) for found in _bundle(("bundles", n), bundle, catalogue)),
    ]


def _placed(path: Path, codes: Sequence[Code]) -> list[tuple[Path, Code]]:
    return [((*path, place), code) for place, code in enumerate(codes)]


def _duplicates(codes: Iterable[tuple[Path, Code]]) -> Iterator[Finding]:
    seen: set[Code] = set()
    for path, code in codes:
        if code in seen:
            yield Finding(path, "the code is used twice")
        seen.add(code)


def _item(path: Path, item: Item, catalogue: Catalogue) -> Iterator[Finding]:
    if item.department not in {department.code for department in catalogue.departments}:
        yield Finding((*path, "department"), f"there is no department {item.department}")
    known = {material.code for material in catalogue.materials}
    materials = _placed((*path, "materials"), item.materials)
    for place, material in materials:
        if material not in known:
            yield Finding(place, f"there is no material {material}")
    yield from _duplicates(materials)
    if item.produces is not None and item.produces not in known:
        yield Finding((*path, "produces"), f"there is no material {item.produces}")
    yield from _limits(path, item.limits)
    if item.kind is ItemKind.FILING and item.limits.committed > 0:
        reason = "a filing must be completed on the spot, within 0 working days"
        yield Finding((*path, "limits", "committed"), reason)


def _bundle(path: Path, bundle: Bundle, catalogue: Catalogue) -> Iterator[Finding]:
    if bundle.lead not in {department.code for department in catalogue.departments}:
        yield Finding((*path, "lead"), f"there is no department {bundle.lead}")
    yield from _limits(path, bundle.limits)
    steps = _placed((*path, "steps"), [step.step for step in bundle.steps])
    yield from _duplicates(steps)
    items = {item.code: item for item in catalogue.items}
    names = {name for _, name in steps}
    for (place, _), step in zip(steps, bundle.steps, strict=True):
        for earlier in step.after:
            if earlier not in names:
                yield Finding((*place, "after"), f"there is no step {earlier}")
        item = items.get(step.item)
        if item is None:
            yield Finding((*place, "item"), f"there is no item {step.item}")
            continue
        for name in ("committed", "statutory"):
            own, whole = getattr(item.limits, name), getattr(bundle.limits, name)
            if own > whole:
                reason = f"its {name} limit of {own} working days is longer than the bundle's {whole}"
                yield Finding((*place, "item"), reason)
    yield from _order(path, bundle, items)


def _order(path: Path, bundle: Bundle, items: dict[Code, Item]) -> Iterator[Finding]:
    """Steps that wait for each other, and steps that may start before a document that they need is produced."""
    before: dict[Code, set[Code]] = {}  # step -> all steps that are done when it starts
    steps = {step.step for step in bundle.steps}
    while ready := [s for s in bundle.steps if s.step not in before and before.keys() >= steps.intersection(s.after)]:
        for step in ready:
            before[step.step] = {e for a in step.after if a in before for e in (a, *before[a])}
    if stuck := sorted(steps - before.keys()):
        reason = f"these can never start, each waiting for another: {', '.join(stuck)}"
        yield Finding((*path, "steps"), reason)
    producer = {items[s.item].produces: s.step for s in bundle.steps if s.item in items and items[s.item].produces}
    for place, step in enumerate(bundle.steps):
        needed = items[step.item].materials if step.item in items else ()
        for material in needed:
            if material in producer and step.step in before and producer[material] not in before[step.step]:
                reason = f"the step needs {material}, which step {producer[material]} produces, and must come after it"
                yield Finding((*path, "steps", place, "after"), reason)


def _limits(path: Path, limits: LimitDays) -> Iterator[Finding]:
    if limits.committed > limits.statutory:
        reason = f"longer than the statutory limit of {limits.statutory} working days"
        yield Finding((*path, "limits", "committed"), reason)
