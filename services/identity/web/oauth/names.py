"""Names and lives of tokens."""

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"

AUDIENCE = "onedoor"
"""The audience of every access token: all services of an installation."""

ACCESS_TOKEN_S = 600
"""Seconds for which an access token gives access."""

ID_TOKEN_S = 600

DEVICE_CODE_S = 600
"""Seconds in which a person has to consent to a device."""

POLL_S = 5
"""Seconds between two questions of a device."""
