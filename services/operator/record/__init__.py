"""``onedoor record``: checks and exports of the record of access."""
