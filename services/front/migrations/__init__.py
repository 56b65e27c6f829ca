"""The migration history of the front's database."""

from pathlib import Path

FRONT_MIGRATIONS = Path(__file__).parent
