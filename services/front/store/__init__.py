"""All SQL of the front."""
