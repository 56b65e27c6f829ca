"""What is planted fits the program as it is now; the runs themselves are ``python -m tests.chaos.planted_faults``."""

import ast

import pytest

from tests.chaos.planted_faults import CHECKOUT, PLANTS, Plant


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.name)
def test_a_plant_has_its_place(plant: Plant) -> None:
    text = (CHECKOUT / plant.file).read_text()
    assert text.count(plant.old) == 1
    ast.parse(text.replace(plant.old, plant.new))
