"""The code of an enrolment: a person types it from paper."""

LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""The 32 characters of Crockford's Base 32, none of which looks like another one."""

GROUPS, GROUP = 5, 4
"""Twenty characters, of 100 bits together: nobody finds one by trying, also not by the hash of it."""

_READ_AS = str.maketrans("OIL", "011")


def written(characters: str) -> str:
    """A code as it is printed, in groups."""
    return "-".join(characters[at : at + GROUP] for at in range(0, len(characters), GROUP))


def as_kept(typed: str) -> str:
    """A code as it is compared: people type it in any case, with or without hyphens and spaces, and O for 0."""
    return "".join(one for one in typed.upper().translate(_READ_AS) if one.isalnum())
