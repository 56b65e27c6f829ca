"""What monitor shows by HTTP."""
