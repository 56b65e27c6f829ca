"""The matters that can be applied for, with the plan and the materials of each. Computed once for a catalogue."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from contracts.envelope import Code
from contracts.messages.plans import Plan
from services.intake.core.catalogue.models import Catalogue, Material
from services.intake.core.catalogue.plans import Matter, plan_for, required_materials


@dataclass(frozen=True, slots=True)
class Offer:
    """A bundle or an item as it is applied for."""

    plan: Plan
    required: tuple[Material, ...]
    """The materials that the applicant must hand in."""
    unconnected: tuple[str, ...]
    """The departments of this matter whose systems are not connected. With any, the matter cannot be applied for."""

    def missing(self, received: Iterable[str]) -> list[Material]:
        """All required materials that were not received, at once (Administrative Licensing Law, article 32)."""
        names = set(received)
        return [material for material in self.required if material.name.both not in names]


class Offers:
    """All offers of a catalogue, where these department systems are connected."""

    def __init__(self, catalogue: Catalogue, systems: Iterable[Code]) -> None:
        connected = frozenset(systems)
        self._bundles = {bundle.code: _offer(catalogue, bundle, connected) for bundle in catalogue.bundles}
        self._items = {item.code: _offer(catalogue, item, connected) for item in catalogue.items}
        self._material_names: Mapping[str, str] = {
            key: material.name.both
            for material in catalogue.materials
            for key in (material.code, material.name.zh, material.name.en, material.name.both)
        }

    def bundle(self, code: Code) -> Offer | None:
        """The bundle with this code."""
        return self._bundles.get(code)

    def item(self, code: Code) -> Offer | None:
        """The item with this code."""
        return self._items.get(code)

    def received(self, materials: Iterable[str]) -> tuple[str, ...]:
        """The materials handed in, each once and by its name in the catalogue; others keep the name they came with."""
        return tuple(dict.fromkeys(self._material_names.get(material, material) for material in materials))


def _offer(catalogue: Catalogue, matter: Matter, connected: frozenset[Code]) -> Offer:
    plan = plan_for(catalogue, matter)
    unconnected = tuple(sorted({step.department for step in plan.steps if step.system not in connected}))
    return Offer(plan, required_materials(catalogue, matter), unconnected)
