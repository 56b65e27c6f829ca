"""Numbers of persons and organisations that do not exist."""

from datetime import date

from hypothesis import strategies as st

from onedoor.applicants import citizen_number, credit_code

REGION = "110105"
CITIZEN_NUMBER = citizen_number(date(1990, 1, 1), 1, REGION)
CREDIT_CODE = credit_code("MA0000001", REGION)

citizen_numbers = st.builds(
    citizen_number, st.dates(date(1900, 1, 1), date(2026, 1, 1)), st.integers(0, 999), st.just(REGION)
)
credit_codes = st.builds(
    credit_code, st.text("0123456789ABCDEFGHJKLMNPQRTUWXY", min_size=9, max_size=9), st.just(REGION)
)
