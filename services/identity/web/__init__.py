"""Endpoints and pages of the issuer."""
