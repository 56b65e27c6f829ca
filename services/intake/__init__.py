"""Intake accepts cases (受理): it checks, numbers and dates them, publishes them, and shows how they stand."""
