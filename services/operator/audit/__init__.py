"""``onedoor audit``: checks from the databases and the departments' ledgers whether every promise is kept.

In file order: ``targets`` finds the databases. ``checksum_compare`` reads each of them once with the statements of
``queries`` and yields the cases that may be wrong. ``case_record`` reads everything on record of such a case.
``checks`` holds the rules for it, and replays its messages. ``recheck`` repeats the checks until a fault is explained
or stays. ``report`` shows the result.

Nothing here runs a statement of the services. Of their code only the pure cores are used, and only by
``checks/replay.py``: there they are under examination.
"""
