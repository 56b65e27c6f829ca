"""The catalogue: which items and bundles people may ask for, and on what terms."""

from services.intake.catalogue.load import CatalogueInvalid, Fault, load, sample
from services.intake.catalogue.models import Bundle, Catalogue, Item
from services.intake.catalogue.plans import Matter, matter_of, plan_for, required_materials

__all__ = [
    "Bundle",
    "Catalogue",
    "CatalogueInvalid",
    "Fault",
    "Item",
    "Matter",
    "load",
    "matter_of",
    "plan_for",
    "required_materials",
    "sample",
]
