"""The commerce department's service."""

from services.departments.commerce.adapter import CommerceAdapter
from services.departments.commerce.settings import CommerceSettings
from services.departments.sdk.adapter import Adapter, Clock
from services.departments.sdk.service import department


def _adapter(clock: Clock) -> Adapter:
    return CommerceAdapter(CommerceSettings(), clock)


SERVICE = department("commerce", _adapter)
