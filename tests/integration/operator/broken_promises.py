"""Broken promises to plant in the databases of a run, each with the fault that the audit must report."""

from typing import NamedTuple

from services.operator.audit.invariants import Invariant

KEYS = {"cases": ("cases_pkey",), "alerts": ("alerts_pkey",), "ledger": ("ledger_pkey", "ledger_number_key")}
"""Keys that would refuse some of the planted rows."""

CASES = {
    "a closed case": "SELECT case_id FROM cases WHERE closed_at IS NOT NULL ORDER BY case_id",
    "an open case": "SELECT case_id FROM cases WHERE closed_at IS NULL AND state NOT LIKE '%\"raised\"%'"
    " ORDER BY case_id",
    # No department refused: a case in which one did is refused as a whole.
    "a case with a document": "SELECT case_id FROM cases WHERE closed_at IS NOT NULL AND state LIKE '%\"证%'"
    ' AND state NOT LIKE \'%"outcome":"refused"%\' ORDER BY case_id',
    "a new business": 'SELECT case_id FROM cases WHERE closed_at IS NOT NULL AND state LIKE \'%"after":["licence"]%\''
    " AND state NOT LIKE '%\"refused\"%' ORDER BY case_id",
    "a case from the web": 'SELECT case_id FROM cases WHERE state LIKE \'%"channel":"web"%\' ORDER BY case_id',
    # First those of which no alert was withdrawn: the answer was late.
    "a case with an alert": "SELECT case_id FROM cases WHERE closed_at IS NOT NULL AND state LIKE '%\"raised\"%'"
    " ORDER BY state LIKE '%\"withdrawn\"%', case_id",
    # Cases that another department refused earlier never come to tax.
    "a case of tax": "SELECT case_id FROM outbox WHERE topic = 'onedoor.tasks.tax' ORDER BY ctid",
    # The one decided first: its service has the answer.
    "an approved case": "SELECT split_part(task_id, '/', 1) FROM ledger WHERE outcome = 'approved' ORDER BY decide_at",
}
"""Which case a fault is planted in -> the numbers of such cases, in the order in which they are to be taken."""

CLOSED = "case_id = '<a closed case>'"
OPEN = "case_id = '<an open case>'"
CERTIFIED = "case_id = '<a case with a document>'"
ALERTED = "case_id = '<a case with an alert>'"
DONE = "event LIKE '%\"onedoor.task.done.v1\"%'"
DECISION = f"event LIKE '%\"onedoor.case.decided.v1\"%' AND {CERTIFIED}"
ALERT = "event LIKE '%\"onedoor.alert.raised.v1\"%'"
OF_TAX = "topic = 'onedoor.tasks.tax' AND case_id = '<a case of tax>'"
FIRST_ALERT = "ctid = (SELECT min(ctid) FROM alerts)"
APPROVED = (
    "task_id = (SELECT min(task_id) FROM ledger WHERE task_id LIKE '<an approved case>/%' AND outcome = 'approved')"
)
LISTED = "case_id, commitment, rung, owner, matter, region, due_at, raised_at, withdrawn_at, reason"
AGAIN = "INSERT INTO outbox (case_id, message_id, topic, event) SELECT case_id, gen_random_uuid(), topic,"

WEB = '"channel":"web"'
RED = '"red":"[0-9T:.Z-]*"'
EARLY_RED = '"red":"2026-01-01T00:00:00Z"'


class Planted(NamedTuple):
    """A broken promise, the database it is planted in, how, and the text of the fault."""

    invariant: Invariant
    database: str
    statement: str
    expected: str


_FAULTS: dict[tuple[Invariant, str], dict[str, str]] = {
    (Invariant.DECIDED, "onedoor_intake"): {
        f"DELETE FROM cases WHERE {CLOSED}": "not to intake",
        f"DELETE FROM cases WHERE {OPEN}": "not to intake",
        f"DELETE FROM outbox WHERE {CLOSED}": "acceptance has not been published",
        f"{AGAIN} replace(event, '\"450', '\"451') FROM outbox WHERE {CLOSED}": "accepted in 2 different ways",
        f"UPDATE cases SET timer_at = NULL, retry_at = NULL WHERE {OPEN}": "nothing will move it",
        'UPDATE cases SET state = replace(state, \'"outcome":"approved"\', \'"outcome":"refused"\')'
        f" WHERE {CERTIFIED}": "intake shows refused",
        f"UPDATE cases SET state = replace(state, '\"证', '\"假') WHERE {CERTIFIED}": "intake shows other answers",
    },
    (Invariant.DECIDED, "onedoor_routing"): {
        f"DELETE FROM cases WHERE {CLOSED}": "unknown to routing",
        f"DELETE FROM outbox WHERE {DECISION}": "decision has not been published",
        f"{AGAIN} replace(event, '证', '假') FROM outbox WHERE {DECISION}": "decided in 2 different ways",
        f"UPDATE cases SET timer_at = NULL, retry_at = NULL WHERE {OPEN}": "nothing will move it",
        f"UPDATE cases SET closed_at = NULL WHERE {CLOSED}": "still open there",
    },
    (Invariant.TASKS, "onedoor_routing"): {
        'UPDATE cases SET state = replace(state, \'"after":["licence"]\', \'"after":["premises"]\')'
        " WHERE case_id = '<a new business>'": "moment than the last answer that it waits for arrived",
        'UPDATE cases SET state = regexp_replace(state, \'"accepted_at":"20\', \'"accepted_at":"19\')'
        f" WHERE {CLOSED}": "begins at another moment than the case was accepted",
        f"DELETE FROM outbox WHERE {OF_TAX}": "has not been requested",
        f"{AGAIN} replace(event, '\"450', '\"451') FROM outbox WHERE {OF_TAX}": "requested in different ways",
    },
    (Invariant.TASKS, "onedoor_tax"): {
        f"DELETE FROM cases WHERE {CLOSED}": "unknown to tax",
        'UPDATE cases SET state = regexp_replace(state, \'"decided_at":"20\', \'"decided_at":"19\')'
        f" WHERE {CERTIFIED}": "was decided before it was received",
        'UPDATE cases SET state = regexp_replace(state, \'"decided_at":"20\', \'"decided_at":"21\')'
        f" WHERE {CERTIFIED}": "was decided at a moment that lies ahead",
        'UPDATE cases SET state = regexp_replace(state, \'"arrived_at":"20\', \'"arrived_at":"21\')'
        f" WHERE {CERTIFIED}": "was reported at a moment that lies ahead",
        'UPDATE cases SET state = regexp_replace(state, \'"arrived_at":"20\', \'"arrived_at":"19\')'
        f" WHERE {CERTIFIED}": "was reported before it was decided",
        f'{AGAIN} regexp_replace(event, \'"arrived_at":"20\', \'"arrived_at":"19\') FROM outbox'
        f" WHERE {DONE} AND {CERTIFIED}": "reported with another answer than tax holds",
    },
    (Invariant.TASKS, "onedoor_land"): {
        f"UPDATE cases SET call_due_at = NULL WHERE {OPEN}": "no call is due",
        f"{AGAIN} replace(event, '地受', '另受') FROM outbox WHERE {CLOSED}": "under 2 numbers",
        f"DELETE FROM outbox WHERE {CLOSED}": "has not reported it",
    },
    (Invariant.TASKS, "onedoor_commerce"): {
        'UPDATE cases SET state = replace(state, \'"outcome":"approved"\', \'"outcome":"refused"\')'
        f" WHERE {CERTIFIED}": "answered otherwise by commerce",
    },
    (Invariant.TASKS, "sandbox_tax"): {
        f"DELETE FROM ledger WHERE {APPROVED}": "not in the ledger of tax",
        "INSERT INTO ledger SELECT system, task_id, number || 'b', received_at, decide_at, outcome FROM ledger"
        f" WHERE {APPROVED}": "in the ledger of tax 2 times",
        f"UPDATE ledger SET task_id = '0000-0000-0000-0/taxes' WHERE {APPROVED}": "its service does not know it",
    },
    (Invariant.TASKS, "sandbox_commerce"): {
        f"UPDATE ledger SET number = 'x' WHERE {APPROVED}": "another number",
    },
    (Invariant.TASKS, "sandbox_land"): {
        f"UPDATE ledger SET outcome = 'refused' WHERE {APPROVED}": "another outcome",
    },
    (Invariant.COMMITMENTS, "onedoor_monitor"): {
        f"DELETE FROM cases WHERE {CLOSED}": "unknown to monitor",
        "UPDATE cases SET state = replace(state, '\"ended_at\"', '\"x\"'), closed_at = NULL"
        f" WHERE {CLOSED}": "monitor will not receive it",
        'UPDATE cases SET state = replace(state, \'"key":"case"\', \'"key":"step/x"\')'
        f" WHERE {CLOSED}": "other commitments|against what it holds",
        f'{AGAIN} regexp_replace(event, \'"opened_at":"20\', \'"opened_at":"19\') FROM outbox'
        f" WHERE topic = 'onedoor.commitments' AND {CLOSED}": "opened 2 times",
        f"DELETE FROM outbox WHERE topic = 'onedoor.commitments' AND {CLOSED}": "not been published as open",
        'UPDATE cases SET state = regexp_replace(state, \'("key":"step/.*?"opened_at":")20\', \'\\119\')'
        f" WHERE {CLOSED}": "begins at another moment than its step was requested",
    },
    (Invariant.RUNGS, "onedoor_monitor"): {
        'UPDATE cases SET state = regexp_replace(state, \'"raised_at":"20\', \'"raised_at":"21\')'
        f" WHERE {ALERTED}": "fired at a moment that lies ahead",
        f"{AGAIN} event FROM outbox WHERE {ALERT} LIMIT 1": "been published 2 times",
        f"DELETE FROM outbox WHERE {ALERT}": "been published 0 times",
        f"INSERT INTO alerts ({LISTED}) SELECT {LISTED} FROM alerts LIMIT 1": "listed 2 times",
        f"DELETE FROM alerts WHERE {FIRST_ALERT}": "listed 0 times",
        "UPDATE cases SET state = regexp_replace(state, ',\"raised\":\\[[^]]*\\]', '', 'g')"
        f" WHERE {ALERTED}": "has not fired, and the answer was late",
        f"UPDATE cases SET state = regexp_replace(state, '{RED}', '{EARLY_RED}', 'g')"
        f" WHERE {CLOSED}": "red has not fired, and the answer was late",
        'UPDATE cases SET state = regexp_replace(state, \'"warning":"[0-9T:.Z-]*"\','
        f" '\"warning\":\"2026-01-01T00:00:00Z\"', 'g'), timer_at = NULL, retry_at = NULL"
        f" WHERE {OPEN}": "no timer will fire it",
    },
    (Invariant.PUBLISHED, "onedoor_land"): {
        "INSERT INTO unpublished (batch_id, created_at, case_ids, message_ids) SELECT gen_random_uuid(),"
        " now() - interval '61 seconds', array[case_id], array[message_id]"
        " FROM outbox LIMIT 1": "unpublished for more than a minute",
    },
    (Invariant.PARKED, "onedoor_monitor"): {
        "INSERT INTO dead_letters (case_id, letter_id, blocking, reason, topic, origin)"
        " VALUES ('', gen_random_uuid(), false, ' ', 'onedoor.cases', 'partition 1, offset 2'"
        ")": "letter 1 of monitor has no reason",
    },
    (Invariant.REPLAYED, "onedoor_routing"): {
        f"UPDATE cases SET processed_ids = '' WHERE {CLOSED}": "has processed nothing",
        "UPDATE cases SET processed_ids = processed_ids || decode(repeat('ab', 16), 'hex')"
        f" WHERE {CLOSED}": "routing: it has processed a message that no service published",
    },
    (Invariant.REPLAYED, "onedoor_intake"): {
        f"UPDATE cases SET state = replace(state, '{WEB}', '\"channel\":\"post\"')"
        " WHERE case_id = '<a case from the web>'": "intake: its messages lead to another 'accepted'",
    },
    (Invariant.REPLAYED, "onedoor_monitor"): {
        "UPDATE cases SET processed_ids = substring(processed_ids FROM 17)"
        f" WHERE {CLOSED}": "monitor: its messages lead to another",
    },
    (Invariant.REPLAYED, "onedoor_tax"): {
        'UPDATE cases SET state = replace(state, \'"opinion":"同意"\', \'"opinion":"好"\')'
        f" WHERE {CERTIFIED}": "tax: its messages lead to another 'tasks'",
    },
    (Invariant.UNIQUE, "onedoor_intake"): {
        f"INSERT INTO cases SELECT * FROM cases WHERE {CLOSED}": "the number 2 times",
        "UPDATE cases SET state = replace(state, '\"fees\":[{', '\"fees\":[' || (regexp_match(state,"
        " '\"fees\":\\[(\\{[^}]*\\})'))[1] || ',{') WHERE case_id = (SELECT max(case_id) FROM cases"
        " WHERE state LIKE '%\"fees\":[{%')": "fee .* is there 2 times",
    },
    (Invariant.UNIQUE, "sandbox_land"): {
        "UPDATE ledger SET number = (SELECT min(number) FROM ledger)"
        " WHERE task_id = (SELECT max(task_id) FROM ledger)": "is in the ledger of land 2 times",
    },
    (Invariant.UNIQUE, "onedoor_land"): {
        'UPDATE cases SET state = regexp_replace(state, \'"document":"[^"]*"\', \'"document":"证X"\')'
        " WHERE case_id IN (SELECT case_id"
        " FROM cases WHERE state LIKE '%\"document\"%' ORDER BY case_id DESC LIMIT 2)": "证X is in land 2 times",
    },
}
"""Invariant and database -> statements that break the invariant there, each with the fault that the audit reports."""

PLANTED = [
    Planted(invariant, database, statement, expected)
    for (invariant, database), faults in _FAULTS.items()
    for statement, expected in faults.items()
]


def rounds() -> list[list[Planted]]:
    """The faults in groups that are planted together: in each at most one a database."""
    found: list[list[Planted]] = []
    for one in PLANTED:
        free = (group for group in found if all(other.database != one.database for other in group))
        group = next(free, None)
        if group is None:
            found.append(group := [])
        group.append(one)
    return found
