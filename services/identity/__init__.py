"""The issuer of logins: accounts, sessions and tokens, for an installation without an OpenID Connect provider."""
