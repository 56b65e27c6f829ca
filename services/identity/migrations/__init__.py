"""The migration history of the issuer's database."""

from pathlib import Path

ISSUER_MIGRATIONS = Path(__file__).parent
