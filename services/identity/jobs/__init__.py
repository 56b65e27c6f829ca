"""The jobs of the issuer: it rotates its keys and deletes what has ended."""
