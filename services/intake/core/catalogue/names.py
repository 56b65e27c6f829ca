"""The names of a catalogue, as all services follow them."""

from contracts.messages.documents import BundleName, CatalogueName, NamesPublished
from services.intake.core.catalogue.models import BilingualText, Catalogue


def names_of(catalogue: Catalogue) -> NamesPublished:
    """The names of its departments, items and bundles."""
    return NamesPublished(
        departments=tuple(_name(department.name.both, department.name) for department in catalogue.departments),
        items=tuple(_name(item.code, item.name) for item in catalogue.items),
        bundles=tuple(
            BundleName(
                key=bundle.code,
                zh=bundle.name.zh,
                en=bundle.name.en,
                steps={step.step: step.item for step in bundle.steps},
            )
            for bundle in catalogue.bundles
        ),
    )


def _name(key: str, name: BilingualText) -> CatalogueName:
    return CatalogueName(key=key, zh=name.zh, en=name.en)
