"""``GET /catalogue``: the catalogue as it is offered to the public."""

from fastapi import APIRouter, Response

from contracts.messages.plans import Fen
from services.intake.core.catalogue.models import BilingualText, Bundle, Catalogue, FeeEntry, LimitDays, Material
from services.intake.core.catalogue.plans import Matter, items_of, required_materials
from services.intake.core.id_kinds import ID_KINDS, ApplicantKind, IdKind
from services.intake.web.answers import AnswerPart


class MatterView(AnswerPart):
    """An item or bundle."""

    code: str
    name: BilingualText
    lead_department: str
    departments: tuple[str, ...]
    limits: LimitDays
    legal_basis: tuple[BilingualText, ...]
    materials: tuple[Material, ...]
    fees: tuple[FeeEntry, ...]
    fees_total_fen: Fen


class IdKindView(AnswerPart):
    """A kind of identity paper: its code, and which applicants may have it."""

    code: str
    name: BilingualText
    applicants: tuple[ApplicantKind, ...]
    number_required: bool


class CatalogueView(AnswerPart):
    """All matters that can be applied for, and the kinds of identity paper that an applicant may have."""

    version: str
    id_kinds: tuple[IdKindView, ...]
    bundles: tuple[MatterView, ...]
    items: tuple[MatterView, ...]


def routes(catalogue: Catalogue) -> APIRouter:
    """The endpoint for the public."""
    router = APIRouter(tags=["intake"])
    content = _catalogue_view(catalogue).model_dump_json()

    @router.get("/catalogue", response_model=CatalogueView)
    async def show_catalogue() -> Response:
        """All matters that can be applied for, with materials, limits and fees."""
        headers = {"Cache-Control": "public, max-age=300"}
        return Response(content, headers=headers, media_type="application/json")

    return router


def _catalogue_view(catalogue: Catalogue) -> CatalogueView:
    return CatalogueView(
        version=catalogue.version,
        id_kinds=tuple(map(_id_kind_view, ID_KINDS.values())),
        bundles=tuple(_matter_view(catalogue, bundle) for bundle in catalogue.bundles),
        items=tuple(_matter_view(catalogue, item) for item in catalogue.items),
    )


def _id_kind_view(kind: IdKind) -> IdKindView:
    name = BilingualText(zh=kind.zh, en=kind.en)
    return IdKindView(code=kind.code, name=name, applicants=kind.applicants, number_required=kind.check is not None)


def _matter_view(catalogue: Catalogue, matter: Matter) -> MatterView:
    names = {department.code: department.name.both for department in catalogue.departments}
    items = items_of(catalogue, matter)
    fees = tuple(fee for item in items for fee in item.fees)
    return MatterView(
        code=matter.code,
        name=matter.name,
        lead_department=names[matter.lead if isinstance(matter, Bundle) else matter.department],
        departments=tuple(dict.fromkeys(names[item.department] for item in items)),
        limits=matter.limits,
        legal_basis=matter.legal_basis,
        materials=required_materials(catalogue, matter),
        fees=fees,
        fees_total_fen=sum(fee.amount_fen for fee in fees),
    )
