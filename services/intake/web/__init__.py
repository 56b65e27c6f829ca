"""The HTTP endpoints of intake."""
