"""Faults under load: ``make chaos``. See ``docs/operate.md``."""
