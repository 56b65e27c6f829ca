"""Each planted fault still has the place in the code at which it is planted."""

import pytest

from tests.chaos.checks.planted_faults import CHECKOUT, PLANTED_FAULTS, PlantedFault


@pytest.mark.parametrize("fault", PLANTED_FAULTS, ids=lambda fault: fault.name)
def test_a_planted_fault_has_its_place(fault: PlantedFault) -> None:
    assert (CHECKOUT / fault.file).read_text(encoding="utf-8").count(fault.old) == 1
