"""No error of a model repeats a value: it may be personal data."""

import importlib
import pkgutil
from collections.abc import Callable, Iterator

import pytest
from pydantic import BaseModel, ValidationError

import contracts
import services
from contracts.codec import InvalidRecord, decode
from contracts.envelope import CASE_ID
from contracts.messages.cases import Applicant

NAME = "王小明"


def models(kind: type[BaseModel] = BaseModel) -> Iterator[type[BaseModel]]:
    """The models of contracts and services, all of whose modules are imported."""
    for model in kind.__subclasses__():
        if model.__module__.partition(".")[0] in ("contracts", "services"):
            yield model
        yield from models(model)


def test_all_models_hide_the_input_in_their_errors() -> None:
    for package in (contracts, services):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if "migrations" not in module.name:
                importlib.import_module(module.name)
    found = {f"{model.__module__}.{model.__name__}": model for model in models()}
    assert len(found) > 100
    assert [name for name, model in found.items() if not model.model_config.get("hide_input_in_errors")] == []


@pytest.mark.parametrize(
    "validate",
    [
        lambda: Applicant.model_validate({"kind": "person", "name": [NAME], "id_number": NAME}),
        lambda: CASE_ID.validate_python(NAME),
        lambda: decode(f'{{"type": "{NAME}"}}'.encode(), b"", "onedoor.cases"),
    ],
)
def test_errors_name_fields_and_no_values(validate: Callable[[], object]) -> None:
    with pytest.raises((ValidationError, InvalidRecord)) as refused:
        validate()
    assert NAME not in str(refused.value)
    assert NAME not in repr(refused.value)
