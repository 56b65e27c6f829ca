"""The recorded department as a service."""

from services.departments.recorded.adapter import RecordedAdapter
from services.departments.recorded.settings import RecordedSettings
from services.departments.sdk.adapter import Adapter, Clock
from services.departments.sdk.service import department


def _adapter(clock: Clock) -> Adapter:
    return RecordedAdapter(RecordedSettings(), clock)


SERVICE = department("recorded", _adapter)
