"""The SQL of operators' commands."""
