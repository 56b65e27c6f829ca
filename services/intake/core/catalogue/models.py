"""What a catalogue file says. The JSON Schema beside the sample is generated from these models."""

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from contracts.envelope import Code, Name
from contracts.messages.plans import MAX_STEPS, Fen

WorkingDays = Annotated[int, Field(ge=0, le=3650)]


class CatalogueEntry(BaseModel):
    """A part of the catalogue: frozen, and refusing fields it does not know, which are mostly misspelled ones."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class BilingualText(CatalogueEntry):
    """The same words in Chinese and in English."""

    zh: Annotated[str, Field(min_length=1, max_length=80)]
    en: Annotated[str, Field(min_length=1, max_length=110)]

    @property
    def both(self) -> str:
        """One name for readers of either language, short enough for a message's `Name`."""
        return f"{self.en} ({self.zh})"


class ItemKind(StrEnum):
    """Kinds of item: 即办件, 承诺件, 联办件, 上报件, 备案."""

    INSTANT = "instant"
    COMMITTED = "committed"
    JOINT = "joint"
    UPWARD = "upward"
    FILING = "filing"


class LimitDays(CatalogueEntry):
    """The committed and the statutory limit (承诺 / 法定时限)."""

    committed: WorkingDays
    """Working days the department promises."""
    statutory: WorkingDays
    """Working days the law allows."""


class FeeEntry(CatalogueEntry):
    """A fee."""

    name: BilingualText
    amount_fen: Fen
    """Amount in fen, the hundredth of a yuan."""
    standard: BilingualText
    """How the amount is arrived at."""
    basis: BilingualText
    """The rule that allows the fee."""


class Department(CatalogueEntry):
    """A department that answers for items."""

    code: Code
    name: BilingualText
    system: Code
    """The department system that is asked; it names the topics of its adapter."""


class Material(CatalogueEntry):
    """A document that an item requires (申报材料)."""

    code: Code
    name: BilingualText


class Item(CatalogueEntry):
    """One thing a department may be asked for (事项)."""

    code: Code
    name: BilingualText
    department: Code
    """Code of the department that decides."""
    kind: ItemKind
    limits: LimitDays
    legal_basis: Annotated[tuple[BilingualText, ...], Field(min_length=1)]
    materials: tuple[Code, ...] = ()
    """Codes of the materials required."""
    produces: Code | None = None
    """Code of the document that the decision yields, which other items may require as a material."""
    fees: tuple[FeeEntry, ...] = ()


class BundleStep(CatalogueEntry):
    """One item within a bundle."""

    step: Code
    item: Code
    after: tuple[Code, ...] = ()
    """Steps that must be done before this one can start."""


class Bundle(CatalogueEntry):
    """Several items asked for as one matter, with one application (一件事)."""

    code: Code
    name: BilingualText
    lead: Code
    """Code of the department that answers for the bundle as a whole."""
    limits: LimitDays
    legal_basis: Annotated[tuple[BilingualText, ...], Field(min_length=1)]
    steps: Annotated[tuple[BundleStep, ...], Field(min_length=1, max_length=MAX_STEPS)]


class Catalogue(CatalogueEntry):
    """Everything that can be asked for, as of one version. A case keeps the version it was accepted under."""

    version: Name
    departments: Annotated[tuple[Department, ...], Field(min_length=1)]
    materials: tuple[Material, ...] = ()
    items: Annotated[tuple[Item, ...], Field(min_length=1)]
    bundles: tuple[Bundle, ...] = ()
