"""The token of staff in tests, and the header that carries it."""

TOKEN = "a-token-that-staff-have-0123456789"
STAFF = {"Authorization": f"Bearer {TOKEN}"}
