"""What the issuer does by itself: it rotates its keys and deletes what has ended."""
