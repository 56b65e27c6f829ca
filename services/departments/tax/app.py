"""The tax department's service."""

from services.departments.sdk.adapter import Adapter, Clock
from services.departments.sdk.service import department
from services.departments.tax.adapter import TaxAdapter
from services.departments.tax.settings import TaxSettings


def _adapter(_: Clock) -> Adapter:
    return TaxAdapter(TaxSettings())


SERVICE = department("tax", _adapter)
