"""The tests that have the machine to themselves."""

ALONE = "tests/hostile"
"""Where the tests marked ``alone`` are: collecting all others would take longer than some of them."""
