"""``onedoor login``: the login under which the commands of a person act.

``issuer`` asks the issuer of logins, ``kept`` keeps what it gave, and ``actor`` says who gives a command, and with
which right.
"""
