"""Planted faults fit the present program. ``python -m tests.chaos.checks.planted_faults`` runs them."""

import ast

import pytest

from tests.chaos.checks.planted_faults import CHECKOUT, PLANTED_FAULTS, PlantedFault


@pytest.mark.parametrize("fault", PLANTED_FAULTS, ids=lambda fault: fault.name)
def test_the_replaced_text_stands_in_the_file_once(fault: PlantedFault) -> None:
    text = (CHECKOUT / fault.file).read_text()
    assert text.count(fault.old) == 1
    ast.parse(text.replace(fault.old, fault.new))
