"""A page that has every component, for tests."""
