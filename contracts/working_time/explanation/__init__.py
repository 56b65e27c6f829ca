"""Why a deadline is when it is: each day that counted or did not, as data, as text and as a picture (期限推算)."""
