"""The management of people, for those who hold the right to it: what may be done to accounts, and its API."""
