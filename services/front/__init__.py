"""The front: the one address of the pages and APIs, where people log in and where their sessions are."""
