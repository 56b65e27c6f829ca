"""The rules of logins: pure."""
