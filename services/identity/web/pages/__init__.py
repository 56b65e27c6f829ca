"""Pages of the issuer: real forms, which work without a script."""
