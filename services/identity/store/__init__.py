"""All SQL of the issuer. Functions are synchronous: authlib's hooks call them inside one transaction of a request."""
