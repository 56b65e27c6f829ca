"""The catalogue file: reading it, its JSON Schema, and the sample that comes with onedoor."""
