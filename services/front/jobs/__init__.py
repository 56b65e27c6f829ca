"""The calls of the front to the issuer of logins, and its jobs."""
