"""The models of a catalogue. The JSON Schema of a catalogue file is generated from them."""

from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field

from contracts.envelope import Code, Name
from contracts.messages.plans import MAX_STEPS, Fen
from contracts.text import line, visible
from contracts.values import Model

WorkingDays = Annotated[int, Field(ge=0, le=3650, strict=True)]


_ON_ONE_LINE = BeforeValidator(lambda value: line(value) if isinstance(value, str) else value)


class CatalogueEntry(Model):
    """A part of the catalogue. It refuses unknown fields, most of which are misspelled ones."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class BilingualText(CatalogueEntry):
    """A text in Chinese and in English, each on one line and not blank."""

    zh: Annotated[str, Field(min_length=1, max_length=80), AfterValidator(visible), _ON_ONE_LINE]
    en: Annotated[str, Field(min_length=1, max_length=110), AfterValidator(visible), _ON_ONE_LINE]

    @property
    def both(self) -> str:
        """Both languages in one name, short enough for the `Name` of a message."""
        return f"{self.en} ({self.zh})"


class ItemKind(StrEnum):
    """Kinds of item: 即办件, 承诺件, 联办件, 上报件, 备案."""

    INSTANT = "instant"
    COMMITTED = "committed"
    JOINT = "joint"
    UPWARD = "upward"
    FILING = "filing"


class LimitDays(CatalogueEntry):
    """The committed and the statutory limit (承诺 / 法定时限), in working days."""

    committed: WorkingDays
    """The time that the department promises."""
    statutory: WorkingDays
    """The time that the law allows."""


class FeeEntry(CatalogueEntry):
    """A fee of an item."""

    name: BilingualText
    amount_fen: Fen
    """In fen, the hundredth of a yuan."""
    standard: BilingualText
    """The rate by which the amount is computed (收费标准)."""
    basis: BilingualText
    """The rule that allows the fee (收费依据)."""


class Department(CatalogueEntry):
    """A department that answers for items."""

    code: Code
    name: BilingualText
    system: Code
    """The department system that receives the tasks. The topics of its adapter have its name."""


class Material(CatalogueEntry):
    """A document that an item requires (申报材料)."""

    code: Code
    name: BilingualText


class Item(CatalogueEntry):
    """One thing that a department decides on (事项)."""

    code: Code
    name: BilingualText
    department: Code
    """Code of the department that decides."""
    kind: ItemKind
    limits: LimitDays
    legal_basis: Annotated[tuple[BilingualText, ...], Field(min_length=1)]
    materials: tuple[Code, ...] = ()
    """Codes of the required materials."""
    produces: Code | None = None
    """Code of the document that the decision produces. Other items may require it as a material."""
    fees: tuple[FeeEntry, ...] = ()


class BundleStep(CatalogueEntry):
    """One item within a bundle."""

    step: Code
    item: Code
    after: tuple[Code, ...] = ()
    """Steps that must be done before this one can start."""


class Bundle(CatalogueEntry):
    """Several items as one matter, with one application (一件事)."""

    code: Code
    name: BilingualText
    lead: Code
    """Code of the department that answers for the bundle as a whole."""
    limits: LimitDays
    legal_basis: Annotated[tuple[BilingualText, ...], Field(min_length=1)]
    steps: Annotated[tuple[BundleStep, ...], Field(min_length=1, max_length=MAX_STEPS)]


class Catalogue(CatalogueEntry):
    """All items and bundles of one version. A case keeps the version that it was accepted under."""

    version: Name
    departments: Annotated[tuple[Department, ...], Field(min_length=1)]
    materials: tuple[Material, ...] = ()
    items: Annotated[tuple[Item, ...], Field(min_length=1)]
    bundles: tuple[Bundle, ...] = ()
