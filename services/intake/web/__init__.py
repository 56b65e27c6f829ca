"""What intake offers by HTTP."""
