"""Routing: tells all departments concerned at once, and joins their answers."""
