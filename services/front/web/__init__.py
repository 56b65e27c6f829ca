"""What browsers and programs reach at the one address."""
