"""The tax department: REST with OAuth 2 client credentials."""
