"""Checks of one case: each finds its faults in everything on record of it. Pure."""
