"""The JSON Schema of a catalogue file, for an editor that checks YAML while it is written."""

import json

from services.intake.catalogue.load import SAMPLE
from services.intake.core.catalogue.models import Catalogue

SCHEMA = SAMPLE.with_name("catalogue.schema.json")


def schema_text() -> str:
    """The schema as it is to stand in the file."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Catalogue.model_json_schema()}
    return json.dumps(schema, ensure_ascii=False, indent=2) + "\n"
