"""``onedoor calendar``: due dates, their explanation, and notices of holidays."""
