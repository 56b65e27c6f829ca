"""Reading a catalogue file, with all its faults reported at once."""

from functools import cache
from pathlib import Path

from services.files import limited_content
from services.intake.core.catalogue.lint import lint
from services.intake.core.catalogue.models import Catalogue
from services.runtime import telemetry
from services.runtime.files.document import check_document, describe_fault, load_document
from services.runtime.files.encoding import InvalidFile, read_text

log = telemetry.logger(__name__)

SAMPLE = Path(__file__).with_name("sample.yaml")

_NAME_FIELDS = ("code", "step")
"""The fields by which entries of the file are named."""


def load_catalogue(file: Path) -> Catalogue:
    """The catalogue in a YAML file. Raises `InvalidFile` with all faults, and `OSError` for an unreadable file."""
    try:
        text = read_text(limited_content(file))
        content = load_document(text.text)
        catalogue = check_document(Catalogue, content, _NAME_FIELDS)
        if findings := lint(catalogue):
            raise InvalidFile("\n".join(describe_fault(content, finding, _NAME_FIELDS) for finding in findings))
    except InvalidFile as error:
        raise InvalidFile("\n".join(f"{file.name}: {fault}" for fault in str(error).splitlines())) from None
    if text.note:
        log.info("catalogue", file=str(file), note=text.note)
    return catalogue


def catalogue_in_use(file: Path | None) -> Catalogue:
    """The catalogue in this file, or the sample without one. Raises as `load_catalogue`."""
    return load_catalogue(file) if file is not None else sample_catalogue()


@cache
def sample_catalogue() -> Catalogue:
    """The catalogue that comes with onedoor: three bundles of three departments."""
    return load_catalogue(SAMPLE)
