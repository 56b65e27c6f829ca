"""The pages for managing people, for those who hold the right to it."""
