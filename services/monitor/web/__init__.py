"""Monitor's endpoints."""
