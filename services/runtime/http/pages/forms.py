"""Faults of a form, as the sentences that stand in the summary and at the fields."""

from collections.abc import Mapping

from pydantic import ValidationError

from contracts.bilingual import Language
from services.runtime.fault_text import faults_of


def field_faults(error: ValidationError, labels: Mapping[str, str], language: Language) -> dict[str, str]:
    """The first fault of each field, with its label: the field's id -> the sentence.

    ``labels``: the label of each field in the reader's language; a field without one keeps its name.
    """
    found: dict[str, str] = {}
    for fault in faults_of(error):
        name = str(fault.path[0]) if fault.path else ""
        label = labels.get(name, name)
        found.setdefault(name, f"{label}{fault.zh}" if language == "zh" else f"{label} {fault.en}".strip())
    return found
