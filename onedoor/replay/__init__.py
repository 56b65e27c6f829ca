"""``onedoor replay``: another system's cases through the whole platform, under a clock that follows their own time.

``command`` runs it, ``history`` reads the file, ``player`` moves time and cases forward, ``monitor`` reads the progress
from the database of that service, and ``report`` sums the results.
"""
