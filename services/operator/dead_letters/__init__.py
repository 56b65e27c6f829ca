"""``onedoor dead-letters``: the records that services could not process."""
