"""Faults of a catalogue that no single field shows."""

from collections.abc import Iterable, Iterator, Sequence

from contracts.envelope import Code
from contracts.faults import Fault, Path
from services.intake.core.catalogue.models import Bundle, Catalogue, Item, ItemKind, LimitDays

_LIMITS_ZH = {"committed": "承诺时限", "statutory": "法定时限"}


def lint(catalogue: Catalogue) -> list[Fault]:
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


def _duplicates(codes: Iterable[tuple[Path, Code]]) -> Iterator[Fault]:
    seen: set[Code] = set()
    for path, code in codes:
        if code in seen:
            yield Fault(path, "the code is used twice; change one", "代码重复，请修改其一")
        seen.add(code)


def _item(path: Path, item: Item, catalogue: Catalogue) -> Iterator[Fault]:
    if item.department not in {department.code for department in catalogue.departments}:
        yield _unknown((*path, "department"), "department", "部门", item.department)
    known = {material.code for material in catalogue.materials}
    materials = _placed((*path, "materials"), item.materials)
    for place, material in materials:
        if material not in known:
            yield _unknown(place, "material", "申报材料", material)
    yield from _duplicates(materials)
    if item.produces is not None and item.produces not in known:
        yield _unknown((*path, "produces"), "material", "申报材料", item.produces)
    yield from _limits(path, item.limits)
    if item.kind is ItemKind.FILING and item.limits.committed > 0:
        yield Fault(
            (*path, "limits", "committed"),
            "a filing must be completed on the spot, within 0 working days",
            "备案须当场办结，承诺时限为 0 个工作日",
        )


def _bundle(path: Path, bundle: Bundle, catalogue: Catalogue) -> Iterator[Fault]:
    if bundle.lead not in {department.code for department in catalogue.departments}:
        yield _unknown((*path, "lead"), "department", "部门", bundle.lead)
    yield from _limits(path, bundle.limits)
    steps = _placed((*path, "steps"), [step.step for step in bundle.steps])
    yield from _duplicates(steps)
    items = {item.code: item for item in catalogue.items}
    names = {name for _, name in steps}
    for (place, _), step in zip(steps, bundle.steps, strict=True):
        for earlier in step.after:
            if earlier not in names:
                yield _unknown((*place, "after"), "step", "环节", earlier)
        item = items.get(step.item)
        if item is None:
            yield _unknown((*place, "item"), "item", "事项", step.item)
            continue
        for name in ("committed", "statutory"):
            own, whole = getattr(item.limits, name), getattr(bundle.limits, name)
            if own > whole:
                yield Fault(
                    (*place, "item"),
                    f"its {name} limit of {own} working days is longer than the bundle's {whole}",
                    f"该事项的{_LIMITS_ZH[name]}为 {own} 个工作日，长于一件事的 {whole} 个工作日",
                )
    yield from _order(path, bundle, items)


def _order(path: Path, bundle: Bundle, items: dict[Code, Item]) -> Iterator[Fault]:
    """Steps that wait for each other, and steps that may start before a document that they need is produced."""
    before: dict[Code, set[Code]] = {}  # step -> all steps that are done when it starts
    steps = {step.step for step in bundle.steps}
    while ready := [s for s in bundle.steps if s.step not in before and before.keys() >= steps.intersection(s.after)]:
        for step in ready:
            before[step.step] = {e for a in step.after if a in before for e in (a, *before[a])}
    if stuck := sorted(steps - before.keys()):
        yield Fault(
            (*path, "steps"),
            f"these can never start, each waiting for another: {', '.join(stuck)}",
            f"以下环节互相等待，无法开始：{'、'.join(stuck)}",
        )
    producer = {items[s.item].produces: s.step for s in bundle.steps if s.item in items and items[s.item].produces}
    for place, step in enumerate(bundle.steps):
        needed = items[step.item].materials if step.item in items else ()
        for material in needed:
            if material in producer and step.step in before and producer[material] not in before[step.step]:
                yield Fault(
                    (*path, "steps", place, "after"),
                    f"the step needs {material}, which step {producer[material]} produces, and must come after it",
                    f"该环节需要环节 {producer[material]} 产出的 {material}，须列在其后",
                )


def _limits(path: Path, limits: LimitDays) -> Iterator[Fault]:
    if limits.committed > limits.statutory:
        yield Fault(
            (*path, "limits", "committed"),
            f"longer than the statutory limit of {limits.statutory} working days",
            f"长于法定时限 {limits.statutory} 个工作日",
        )


def _unknown(path: Path, kind: str, kind_zh: str, code: Code) -> Fault:
    return Fault(path, f"there is no {kind} {code}", f"没有{kind_zh} {code}")
