"""Intake accepts cases (受理), publishes them, and shows applicants how they stand."""
