"""An application, as a client sends it to intake."""

from typing import Any

from tests.support.persons import CITIZEN_NUMBER

APPLICATION: dict[str, Any] = {
    "bundle": "transfer-property",
    "applicant": {"kind": "person", "name": "王小明", "id_number": CITIZEN_NUMBER},
    "materials": ["identity", "房屋买卖合同", "Certificate of title"],
    "region": "110105",
    "channel": "window",
}
