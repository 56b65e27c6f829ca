"""Broken promises to plant in the databases of a run, each with the fault that the audit must report."""

from typing import NamedTuple

from services.operator.audit.invariants import Invariant

KEYS = {"cases": ("cases_pkey",), "alerts": ("alerts_pkey",), "ledger": ("ledger_pkey", "ledger_number_key")}
"""Keys that would refuse some of the planted rows."""

CLOSED = "case_id = (SELECT min(case_id) FROM cases WHERE closed_at IS NOT NULL)"
OPEN = "case_id = (SELECT min(case_id) FROM cases WHERE closed_at IS NULL)"
CERTIFIED = (
    "case_id = (SELECT min(case_id) FROM cases"
    """ WHERE closed_at IS NOT NULL AND state LIKE '%"证%' AND state NOT LIKE '%"outcome":"refused"%')"""
)
"""A case with a document in which no department refused."""
DECISION = f"event LIKE '%\"onedoor.case.decided.v1\"%' AND {CERTIFIED}"
ALERT = "event LIKE '%\"onedoor.alert.raised.v1\"%'"
FIRST_OF_TAX = "ctid = (SELECT min(ctid) FROM outbox WHERE topic = 'onedoor.tasks.tax')"
"""The first task requested of tax. Cases that another department refused earlier never come to tax."""
FIRST_ALERT = "ctid = (SELECT min(ctid) FROM alerts)"
LISTED = "case_id, commitment, rung, owner, matter, region, due_at, raised_at, withdrawn_at, reason"
AGAIN = "INSERT INTO outbox (case_id, message_id, topic, event) SELECT case_id, gen_random_uuid(), topic,"
APPROVED = "task_id = (SELECT task_id FROM ledger WHERE outcome = 'approved' ORDER BY decide_at LIMIT 1)"
"""The one decided first: its service has the answer."""
ALERTED = "case_id = (SELECT min(case_id) FROM cases WHERE closed_at IS NOT NULL AND state LIKE '%\"raised\"%')"

WEB = '"channel":"web"'
RED = '"red":"[0-9T:.Z-]*"'
EARLY_RED = '"red":"2026-01-01T00:00:00Z"'


class Planted(NamedTuple):
    """A broken promise, the database it is planted in, how, and the text of the fault."""

    invariant: Invariant
    database: str
    statement: str
    expected: str


PLANTED = [
    # decided
    Planted(Invariant.DECIDED, "onedoor_intake", f"DELETE FROM cases WHERE {CLOSED}", "not to intake"),
    Planted(Invariant.DECIDED, "onedoor_intake", f"DELETE FROM cases WHERE {OPEN}", "not to intake"),
    Planted(
        Invariant.DECIDED, "onedoor_intake", f"DELETE FROM outbox WHERE {CLOSED}", "acceptance has not been published"
    ),
    Planted(
        Invariant.DECIDED,
        "onedoor_intake",
        f"{AGAIN} replace(event, '\"450', '\"451') FROM outbox WHERE {CLOSED}",
        "accepted in 2 different ways",
    ),
    Planted(
        Invariant.DECIDED,
        "onedoor_intake",
        f"UPDATE cases SET timer_at = NULL, retry_at = NULL WHERE {OPEN}",
        "nothing will move it",
    ),
    Planted(
        Invariant.DECIDED,
        "onedoor_intake",
        f'UPDATE cases SET state = replace(state, \'"outcome":"approved"\', \'"outcome":"refused"\') WHERE {CERTIFIED}',
        "intake shows refused",
    ),
    Planted(
        Invariant.DECIDED,
        "onedoor_intake",
        f"UPDATE cases SET state = replace(state, '\"证', '\"假') WHERE {CERTIFIED}",
        "intake shows other answers",
    ),
    Planted(Invariant.DECIDED, "onedoor_routing", f"DELETE FROM cases WHERE {CLOSED}", "unknown to routing"),
    Planted(
        Invariant.DECIDED, "onedoor_routing", f"DELETE FROM outbox WHERE {DECISION}", "decision has not been published"
    ),
    Planted(
        Invariant.DECIDED,
        "onedoor_routing",
        f"{AGAIN} replace(event, '证', '假') FROM outbox WHERE {DECISION}",
        "decided in 2 different ways",
    ),
    Planted(
        Invariant.DECIDED,
        "onedoor_routing",
        f"UPDATE cases SET timer_at = NULL, retry_at = NULL WHERE {OPEN}",
        "nothing will move it",
    ),
    Planted(
        Invariant.DECIDED, "onedoor_routing", f"UPDATE cases SET closed_at = NULL WHERE {CLOSED}", "still open there"
    ),
    # tasks
    Planted(
        Invariant.TASKS,
        "onedoor_routing",
        f"DELETE FROM outbox WHERE {FIRST_OF_TAX}",
        "has not been requested",
    ),
    Planted(
        Invariant.TASKS,
        "onedoor_routing",
        f"{AGAIN} replace(event, '\"450', '\"451') FROM outbox WHERE {FIRST_OF_TAX}",
        "requested in different ways",
    ),
    Planted(Invariant.TASKS, "onedoor_tax", f"DELETE FROM cases WHERE {CLOSED}", "unknown to tax"),
    Planted(Invariant.TASKS, "onedoor_land", f"UPDATE cases SET call_due_at = NULL WHERE {OPEN}", "no call is due"),
    Planted(
        Invariant.TASKS,
        "onedoor_land",
        f"{AGAIN} replace(event, '地受', '另受') FROM outbox WHERE {CLOSED}",
        "under 2 numbers",
    ),
    Planted(Invariant.TASKS, "onedoor_land", f"DELETE FROM outbox WHERE {CLOSED}", "has not reported it"),
    Planted(
        Invariant.TASKS,
        "onedoor_commerce",
        f'UPDATE cases SET state = replace(state, \'"outcome":"approved"\', \'"outcome":"refused"\') WHERE {CERTIFIED}',
        "answered otherwise by commerce",
    ),
    Planted(Invariant.TASKS, "sandbox_tax", f"DELETE FROM ledger WHERE {APPROVED}", "not in the ledger of tax"),
    Planted(
        Invariant.TASKS,
        "sandbox_tax",
        "INSERT INTO ledger SELECT system, task_id, number || 'b', received_at, decide_at, outcome FROM ledger"
        f" WHERE {APPROVED}",
        "in the ledger of tax 2 times",
    ),
    Planted(
        Invariant.TASKS,
        "sandbox_tax",
        f"UPDATE ledger SET task_id = '0000-0000-0000-0/taxes' WHERE {APPROVED}",
        "its service does not know it",
    ),
    Planted(Invariant.TASKS, "sandbox_commerce", f"UPDATE ledger SET number = 'x' WHERE {APPROVED}", "another number"),
    Planted(
        Invariant.TASKS, "sandbox_land", f"UPDATE ledger SET outcome = 'refused' WHERE {APPROVED}", "another outcome"
    ),
    # commitments
    Planted(Invariant.COMMITMENTS, "onedoor_monitor", f"DELETE FROM cases WHERE {CLOSED}", "unknown to monitor"),
    Planted(
        Invariant.COMMITMENTS,
        "onedoor_monitor",
        f"UPDATE cases SET state = replace(state, '\"ended_at\"', '\"x\"'), closed_at = NULL WHERE {CLOSED}",
        "monitor will not receive it",
    ),
    Planted(
        Invariant.COMMITMENTS,
        "onedoor_monitor",
        f'UPDATE cases SET state = replace(state, \'"key":"case"\', \'"key":"step/x"\') WHERE {CLOSED}',
        "other commitments|against what it holds",
    ),
    Planted(
        Invariant.COMMITMENTS,
        "onedoor_monitor",
        f'{AGAIN} regexp_replace(event, \'"opened_at":"20\', \'"opened_at":"19\') FROM outbox'
        f" WHERE topic = 'onedoor.commitments' AND {CLOSED}",
        "opened 2 times",
    ),
    Planted(
        Invariant.COMMITMENTS,
        "onedoor_monitor",
        f"DELETE FROM outbox WHERE topic = 'onedoor.commitments' AND {CLOSED}",
        "not been published as open",
    ),
    # rungs
    Planted(
        Invariant.RUNGS, "onedoor_monitor", f"{AGAIN} event FROM outbox WHERE {ALERT} LIMIT 1", "been published 2 times"
    ),
    Planted(Invariant.RUNGS, "onedoor_monitor", f"DELETE FROM outbox WHERE {ALERT}", "been published 0 times"),
    Planted(
        Invariant.RUNGS,
        "onedoor_monitor",
        f"INSERT INTO alerts ({LISTED}) SELECT {LISTED} FROM alerts LIMIT 1",
        "listed 2 times",
    ),
    Planted(Invariant.RUNGS, "onedoor_monitor", f"DELETE FROM alerts WHERE {FIRST_ALERT}", "listed 0 times"),
    Planted(
        Invariant.RUNGS,
        "onedoor_monitor",
        f"UPDATE cases SET state = regexp_replace(state, ',\"raised\":\\[[^]]*\\]', '', 'g') WHERE {ALERTED}",
        "has not fired, and the answer was late",
    ),
    Planted(
        Invariant.RUNGS,
        "onedoor_monitor",
        f"UPDATE cases SET state = regexp_replace(state, '{RED}', '{EARLY_RED}', 'g') WHERE {CLOSED}",
        "red has not fired, and the answer was late",
    ),
    Planted(
        Invariant.RUNGS,
        "onedoor_monitor",
        'UPDATE cases SET state = regexp_replace(state, \'"warning":"[0-9T:.Z-]*"\','
        f" '\"warning\":\"2026-01-01T00:00:00Z\"', 'g'), timer_at = NULL, retry_at = NULL"
        f" WHERE {OPEN} AND state NOT LIKE '%raised%'",
        "no timer will fire it",
    ),
    # published, parked
    Planted(
        Invariant.PUBLISHED,
        "onedoor_land",
        "INSERT INTO unpublished (batch_id, created_at, case_ids, message_ids) SELECT gen_random_uuid(),"
        " now() - interval '61 seconds', array[case_id], array[message_id] FROM outbox LIMIT 1",
        "unpublished for more than a minute",
    ),
    Planted(
        Invariant.PARKED,
        "onedoor_monitor",
        "INSERT INTO dead_letters (case_id, letter_id, blocking, reason, topic, origin)"
        " VALUES ('', gen_random_uuid(), false, ' ', 'onedoor.cases', 'partition 1, offset 2')",
        "letter 1 of monitor has no reason",
    ),
    # the ledger
    Planted(
        Invariant.LEDGER,
        "onedoor_routing",
        f"UPDATE cases SET processed_ids = '' WHERE {CLOSED}",
        "has processed nothing",
    ),
    Planted(
        Invariant.LEDGER,
        "onedoor_intake",
        f"UPDATE cases SET state = replace(state, '{WEB}', '\"channel\":\"post\"') WHERE case_id ="
        f" (SELECT min(case_id) FROM cases WHERE state LIKE '%{WEB}%')",
        "intake: its messages lead to another 'accepted'",
    ),
    Planted(
        Invariant.LEDGER,
        "onedoor_monitor",
        f"UPDATE cases SET processed_ids = substring(processed_ids FROM 17) WHERE {CLOSED}",
        "monitor: its messages lead to another",
    ),
    Planted(
        Invariant.LEDGER,
        "onedoor_routing",
        f"UPDATE cases SET processed_ids = processed_ids || decode(repeat('ab', 16), 'hex') WHERE {CLOSED}",
        "routing: it has processed a message that no service published",
    ),
    Planted(
        Invariant.LEDGER,
        "onedoor_tax",
        f'UPDATE cases SET state = replace(state, \'"opinion":"同意"\', \'"opinion":"好"\') WHERE {CERTIFIED}',
        "tax: its messages lead to another 'tasks'",
    ),
    # unique
    Planted(
        Invariant.UNIQUE,
        "onedoor_intake",
        f"INSERT INTO cases SELECT * FROM cases WHERE {CLOSED}",
        "the number 2 times",
    ),
    Planted(
        Invariant.UNIQUE,
        "sandbox_land",
        "UPDATE ledger SET number = (SELECT min(number) FROM ledger) WHERE task_id = (SELECT max(task_id) FROM ledger)",
        "is in the ledger of land 2 times",
    ),
    Planted(
        Invariant.UNIQUE,
        "onedoor_land",
        'UPDATE cases SET state = regexp_replace(state, \'"document":"[^"]*"\', \'"document":"证X"\')'
        " WHERE case_id IN (SELECT case_id FROM cases WHERE state LIKE '%\"document\"%' ORDER BY case_id LIMIT 2)",
        "证X is in land 2 times",
    ),
    Planted(
        Invariant.UNIQUE,
        "onedoor_intake",
        "UPDATE cases SET state = replace(state, '\"fees\":[{', '\"fees\":[' || (regexp_match(state,"
        " '\"fees\":\\[(\\{[^}]*\\})'))[1] || ',{') WHERE case_id = (SELECT min(case_id) FROM cases"
        " WHERE state LIKE '%\"fees\":[{%')",
        "fee .* is there 2 times",
    ),
]
