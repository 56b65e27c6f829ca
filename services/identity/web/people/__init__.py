"""The management of people: an API and pages, for those who hold the right to it."""
