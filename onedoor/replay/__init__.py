"""``onedoor replay``: another system's cases through the whole platform, under a clock that follows their own time.

In file order: ``command`` runs it, ``history`` reads the file, ``player`` moves time and cases forward, ``monitor``
asks the database of that service how far it is, and ``report`` adds up the result.
"""
