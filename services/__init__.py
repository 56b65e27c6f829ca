"""The services of onedoor, and the one runtime they share."""
