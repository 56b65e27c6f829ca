"""The rules of the front: where a request goes, what goes on with it, and how long a session lasts."""
