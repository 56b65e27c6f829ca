"""The commands of versioned documents: ``onedoor rules`` and ``onedoor directory``.

``operated`` is what a command does with a version, ``commands`` declares the commands that all documents have.
"""
