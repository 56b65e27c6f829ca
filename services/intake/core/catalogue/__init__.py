"""The catalogue: its models, the plans that follow from it, and the faults that no single field shows. Pure."""
