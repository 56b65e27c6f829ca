"""The services of onedoor, and the one shell they all run in."""
