"""What the catalogue in use offers, worked out once: the same for every application."""

from collections.abc import Mapping
from dataclasses import dataclass

from contracts.messages.plans import Plan
from services.intake import catalogue as catalogues
from services.intake.catalogue import Catalogue, Matter
from services.intake.catalogue.models import Material
from services.intake.web.requests import CaseRequest
from services.runtime.http.problems import FieldFault, Problem, wrong_fields


@dataclass(frozen=True, slots=True)
class Offer:
    """A matter as it is asked for."""

    plan: Plan
    required: tuple[Material, ...]
    away: str
    """The departments of this matter that are not connected here, comma separated; empty when it can be asked for."""


class Offers:
    """The catalogue in use, where these department systems are connected."""

    def __init__(self, catalogue: Catalogue, systems: tuple[str, ...]) -> None:
        self._bundles = {bundle.code: _offer(catalogue, bundle, systems) for bundle in catalogue.bundles}
        self._items = {item.code: _offer(catalogue, item, systems) for item in catalogue.items}
        self._named: Mapping[str, str] = {
            word: material.name.both
            for material in catalogue.materials
            for word in (material.code, material.name.zh, material.name.en, material.name.both)
        }

    def asked_for(self, application: CaseRequest) -> Offer:
        """The bundle or item asked for. Raises a `IssueKind` for one that cannot be had here."""
        field, offers = ("bundle", self._bundles) if application.bundle else ("item", self._items)
        offer = offers.get(application.bundle or application.item or "")
        if offer is None:
            detail, detail_zh = f"the catalogue has no such {field}", "目录中没有该事项"
            raise wrong_fields([FieldFault(pointer=f"#/{field}", detail=detail, detail_zh=detail_zh)])
        if offer.away:
            title, title_zh = "Departments of this matter are not connected here", "该事项涉及的部门尚未接入"
            kind, names = "department-not-connected", offer.away
            raise Problem(422, kind, title, title_zh, detail=names, detail_zh=names)
        return offer

    def materials(self, offer: Offer, given: tuple[str, ...]) -> tuple[str, ...]:
        """The materials handed in, by their names in the catalogue; what it does not ask for keeps its own name.

        Everything that is missing is said at once, as the law wants it (Administrative Licensing Law, art. 32).
        """
        received = tuple(dict.fromkeys(self._named.get(material, material) for material in given))
        missing = [material for material in offer.required if material.name.both not in received]
        if missing:
            title, title_zh = "Materials are missing", "申报材料不齐全"
            errors = [
                FieldFault(pointer="#/materials", detail=f"missing: {m.name.en}", detail_zh=f"缺少：{m.name.zh}")
                for m in missing
            ]
            raise Problem(422, "materials-missing", title, title_zh, errors=errors)
        return received


def _offer(catalogue: Catalogue, matter: Matter, systems: tuple[str, ...]) -> Offer:
    plan = catalogues.plan_for(catalogue, matter)
    away = sorted({step.department for step in plan.steps if step.system not in systems})
    return Offer(plan, catalogues.required_materials(catalogue, matter), ", ".join(away))
