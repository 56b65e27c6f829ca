"""The land department's service."""

from services.departments.land.adapter import LandAdapter
from services.departments.land.settings import LandSettings
from services.departments.sdk.adapter import Adapter, Clock
from services.departments.sdk.service import department


def _adapter(clock: Clock) -> Adapter:
    return LandAdapter(LandSettings(), clock)


SERVICE = department("land", _adapter)
