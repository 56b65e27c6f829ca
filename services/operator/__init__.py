"""The commands of operators, a room for each: audit, calendar, dead letters, journal, and those of versioned documents.

In each room ``command.py`` (or a module of one command's name) declares options and imports the code behind a command
only when it runs, so that help is quick. All SQL is in ``store`` and ``audit/queries``.
"""
