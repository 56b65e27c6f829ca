"""What the front does at the issuer of logins, and by itself."""
