"""``onedoor audit``: is every promise kept? Read from the databases and the departments' books alone.

In file order: ``places`` finds the databases. ``sieve`` reads each of them once (``scan``, ``scans``) and says which
cases must be looked at by themselves. ``dossier`` gathers all that is known of such a case, ``judge`` and ``ladder``
say what is wrong with it, ``replay`` folds its messages once more, ``inquest`` looks again until a fault is explained
or stays, and ``report`` shows what came of it. Nothing here runs the services' own statements. Of their code only the
pure cores are used, and only by ``replay``: there they are what is being examined.
"""
