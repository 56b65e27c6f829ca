"""The endpoints of the one address, for browsers and programs."""
