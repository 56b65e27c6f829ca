"""The catalogue file: reading it, its JSON Schema (``python -m tools`` writes it), and the sample of onedoor."""
