"""Texts of the pages that stand in code. The Chinese is in ``zh.po``; values in braces are filled in."""

from collections.abc import Mapping

from services.identity.core.sessions import EndReason
from services.runtime.http.pages.languages import N_

WAIT = N_("Too many attempts. The next one is possible in {seconds} s.")
OLD_FORM = N_("The form was open for too long, or came from another page. Send it once more.")
WRONG_CODE = N_("This code is wrong, was used already, or is older than 72 hours. Ask for a new link.")
DIFFERENT = N_("The two passwords differ; type the same twice.")
UNKNOWN_PASSKEY = N_("This passkey is not known here, or it took too long. Try again, or use your password.")
WRONG_CREDENTIALS = N_(
    "Account and password do not match, or the account may not log in. Check both, or ask for a new link to enrol."
)
UNKNOWN_PROGRAM = N_("No program waits with this code. Check it, or start the command again for a new one.")
WRONG_REQUEST = N_(
    "The program that sent you here asked in a way that is not allowed. Nothing has happened. Go back to "
    "it and try again; if this page comes again, tell its administrator:"
)
NEW_PASSWORD = N_("New password")
ENROLLED = N_("Your login is ready")
LOGGED_IN = N_("You are logged in as {name}. You can close this page.")
LOG_IN = N_("Log in")
LOG_OUT_QUESTION = N_("You are logged in as {name}. Log out of everything?")
LOG_OUT = N_("Log out")
LOGGED_OUT = N_("You have logged out.")
CONNECT = N_("Connect a program")
CONNECTED = N_("The program is connected. Go back to it.")
NOT_CONNECTED = N_("The program is not connected.")
CONFIRM = N_("{program} will act in your name, {name}, until your login ends.")

OLD_LOGIN = N_("This needs a login of the last five minutes: log in once more, then send it again.")
LAST_WAY = N_("This is the only way in that you have: set a password or add another passkey first.")
NO_PASSKEY = N_("There is no such passkey any more.")

ENDED: Mapping[EndReason, str] = {
    "logout": N_("You have logged out."),
    "idle": N_(
        "You were logged out, since the login was not used for a while. Log in again; you return to where you were."
    ),
    "too-long": N_("You were logged out, since a login lasts a working day at most. Log in again."),
    "disabled": N_("You were logged out by the administrator of your centre. Ask there."),
    "left": N_("You were logged out, since the directory has no post of yours any more. Ask your centre."),
    "elsewhere": N_("This login was ended from elsewhere: by you, or by the manager of your centre. Log in again."),
    "password": N_("You were logged out, since your password or passkey was set anew. Log in with it."),
    "replaced": N_("Another login in this browser has replaced yours. Log in again."),
}
"""Why somebody is not logged in any more."""
