"""The time of one case: where it is stuck, since when, and how each deadline follows."""
