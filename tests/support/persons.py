"""Numbers of persons and organisations that do not exist."""

from datetime import date

from hypothesis import strategies as st
from stdnum.cn import uscc
from stdnum.iso7064 import mod_11_2


def citizen_number(born: date = date(1990, 1, 1), sequence: int = 1, region: str = "110105") -> str:
    body = f"{region}{born:%Y%m%d}{sequence:03}"
    return body + mod_11_2.calc_check_digit(body)


def credit_code(organisation: str = "MA0000001") -> str:
    body = f"91110105{organisation}"
    return body + uscc.calc_check_digit(body)


citizen_numbers = st.builds(citizen_number, st.dates(date(1900, 1, 1), date(2026, 1, 1)), st.integers(0, 999))
credit_codes = st.text("0123456789ABCDEFGHJKLMNPQRTUWXY", min_size=9, max_size=9).map(credit_code)
