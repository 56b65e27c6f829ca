"""Child processes: the fork server, what it starts, and their supervisor."""
