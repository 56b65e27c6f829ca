"""``onedoor people``: who may log in at the issuer that comes with onedoor."""
