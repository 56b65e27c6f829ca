"""Several answers to one task: they agree, or a person sees both."""

from datetime import timedelta

from contracts.messages.plans import Outcome
from services.departments.sdk.adapter import merge
from services.departments.sdk.core.messages import Decision, Receipt
from tests.support.messages import MONDAY

RECEIPT = Receipt(reference="N1", delivered_at=MONDAY)
APPROVED = Decision(
    reference="N1", delivered_at=MONDAY, outcome=Outcome.APPROVED, decided_at=MONDAY + timedelta(days=1)
)
REFUSED = APPROVED.replace(outcome=Outcome.REFUSED)


def merged(*answers: Receipt | Decision) -> tuple[Receipt | Decision, list[bool]]:
    """What is known of a task, and which answers agree."""
    known: dict[str, Receipt | Decision] = {}
    agree = [merge(known, "task", answer) for answer in answers]
    return known["task"], agree


def test_a_decision_replaces_the_receipt_and_is_replaced_by_nothing() -> None:
    assert merged(RECEIPT, APPROVED, RECEIPT, APPROVED) == (APPROVED, [True] * 4)


def test_the_first_of_contradicting_answers_holds() -> None:
    assert merged(APPROVED, REFUSED, APPROVED) == (APPROVED, [True, False, True])
    assert merged(RECEIPT, RECEIPT.replace(reference="N2"), REFUSED) == (REFUSED, [True, False, True])
    document = APPROVED.replace(document="证（2026）1号")
    assert merged(document, APPROVED, APPROVED.replace(document="证2号")) == (document, [True, True, False])
