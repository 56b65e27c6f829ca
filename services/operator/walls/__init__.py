"""``onedoor wall``: screens that show numbers without anybody's login."""
