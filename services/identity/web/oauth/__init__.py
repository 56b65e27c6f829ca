"""OAuth 2.0 and OpenID Connect: authlib's authorization server on this issuer's accounts and tables."""
