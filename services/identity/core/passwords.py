"""Which passwords are accepted (NIST SP 800-63B, section 3.1.1.2): long and hard to guess, of any characters."""

import re
import unicodedata

from zxcvbn import zxcvbn

from contracts.faults import Fault

FEWEST_CHARACTERS = 12
MOST_CHARACTERS = 128

FEWEST_GUESSES_LOG10 = 8.0
"""A password that fewer guesses find is refused. The most common passwords, rows of keys and repetitions take fewer."""

MOST_RATED = 72
"""Characters that are rated. The rating takes time that grows faster than the length."""

FEWEST_BESIDE_OWN = 8
"""Characters that a password has beside the person's own id or name."""


def normalized(password: str) -> str:
    """The password in the form that is hashed: the same from every keyboard and input method (NFKC)."""
    return unicodedata.normalize("NFKC", password)


def password_fault(password: str, person_id: str, name: str) -> Fault | None:
    """Why this password is not accepted, or None."""
    chosen = normalized(password)
    if len(chosen) < FEWEST_CHARACTERS:
        return _fault(
            f"has fewer than {FEWEST_CHARACTERS} characters; a sentence is easy to remember",
            f"少于 {FEWEST_CHARACTERS} 个字符；可用一句好记的话",
        )
    if len(chosen) > MOST_CHARACTERS:
        return _fault(
            f"has more than {MOST_CHARACTERS} characters; shorten it", f"超过 {MOST_CHARACTERS} 个字符，请缩短"
        )
    own = [_letters(one) for one in (person_id, name)]
    letters = _letters(chosen)
    if any(one and one in letters and len(letters.replace(one, "")) < FEWEST_BESIDE_OWN for one in own):
        return _fault("is little more than your own name or id; choose another", "与本人姓名或账号过于接近，请另选")
    rating = zxcvbn(chosen[:MOST_RATED], user_inputs=[one for one in (person_id, name, *own) if one])
    if float(rating["guesses_log10"]) < FEWEST_GUESSES_LOG10:
        return _fault(
            "is among those that are tried first; choose several words that do not belong together",
            "过于常见，容易被猜中；请选用几个互不相关的词",
        )
    return None


def _letters(text: str) -> str:
    return re.sub(r"[\W_]+", "", normalized(text)).casefold()


def _fault(en: str, zh: str) -> Fault:
    return Fault(("password",), en, zh)
