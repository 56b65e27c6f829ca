"""The statements that read single cases, lists of case numbers, and rows that are few unless something is wrong.

``%ledger%`` stands for the query that reads a department's ledger.
"""

from services.operator.audit.queries.checksum import bucket

CASES = """
    SELECT case_id, state, processed_ids, timer_at, retry_at, call_due_at, closed_at FROM cases
    WHERE case_id = ANY($1)
"""
OUTBOX = """
    SELECT case_id, message_id, topic, event, created_at FROM outbox WHERE case_id = ANY($1)
    ORDER BY case_id, created_at, message_id
"""
UNPUBLISHED = """
    SELECT u.case_id, u.message_id FROM unpublished, unnest(case_ids, message_ids) AS u (case_id, message_id)
    WHERE case_ids && $1 AND u.case_id = ANY($1)
"""
RULES = "SELECT number, body FROM documents WHERE kind = 'rules'"
ALERTS = """
    SELECT case_id, commitment, rung, occurrence, withdrawn_at IS NOT NULL AS withdrawn FROM alerts
    WHERE case_id = ANY($1)
"""
LEDGER_COLUMNS = "SELECT * FROM (%ledger%) AS ledger LIMIT 0"
LEDGER_ROWS = """
    SELECT split_part(task_id, '/', 1) AS case_id, task_id, number, outcome, received_at, decided_at
    FROM (%ledger%) AS ledger WHERE split_part(task_id, '/', 1) = ANY($1)
"""

# Case numbers, in order.

_IN_BUCKETS = f"{bucket('case_id')} = ANY($2::int[])"
SUSPECTS = f"SELECT case_id FROM cases WHERE {_IN_BUCKETS} UNION SELECT case_id FROM outbox WHERE {_IN_BUCKETS}"
ALERTED_SUSPECTS = f"{SUSPECTS} UNION SELECT case_id FROM alerts WHERE {_IN_BUCKETS}"
"""The same in monitor's database."""
LEDGER_SUSPECTS = f"""
    SELECT DISTINCT case_id FROM (SELECT split_part(task_id, '/', 1) AS case_id FROM (%ledger%) AS ledger) AS ids
    WHERE {_IN_BUCKETS}
"""
ALL_CASES = 'SELECT case_id FROM cases ORDER BY case_id COLLATE "C"'


def ordered(query: str) -> str:
    """The case numbers of a query in the order of their bytes."""
    return f'SELECT case_id FROM ({query}) AS ids ORDER BY case_id COLLATE "C"'


def sample_of(count: int) -> str:
    """So many case numbers, spread over all by a hash."""
    return f"SELECT case_id FROM cases ORDER BY hashtextextended(case_id, 2) LIMIT {count}"


# Rows that are few unless something is wrong.

OVERDUE_UNPUBLISHED = """
    SELECT u.case_id, count(*) AS messages FROM unpublished, unnest(case_ids, message_ids) AS u (case_id, message_id)
    WHERE coalesce((SELECT settled_at FROM dead_letters AS d
        WHERE d.case_id = u.case_id AND d.letter_id = u.message_id AND status IN ('replayed', 'corrected')), created_at)
        < clock_timestamp() - interval '1 minute'
    GROUP BY u.case_id ORDER BY u.case_id
"""
"""For a replayed dead letter the minute begins with its replay, at any time of its mark."""
PARKED_COUNT = "SELECT count(*) FROM dead_letters WHERE status = 'parked'"
PARKED_WITHOUT_REASON = """
    SELECT case_id, number FROM dead_letters WHERE status = 'parked' AND coalesce(btrim(reason), '') = '' ORDER BY 1, 2
"""
OLDEST_MESSAGE = "SELECT min(created_at) FROM outbox"
ESTIMATED_CASES = "SELECT reltuples FROM pg_class WHERE oid = 'cases'::regclass"

LEDGER_ROWS_WITH_NUMBER = """
    SELECT split_part(task_id, '/', 1) AS case_id, number FROM (%ledger%) AS ledger
    WHERE hashtextextended(number, 1) = ANY($1) AND task_id IS NOT NULL
"""


def tasks_with(column: str) -> str:
    """The tasks of a department's service whose ``reference`` or ``document`` has one of these hashes."""
    return f"""
        SELECT case_id, {column} AS number FROM (
            SELECT case_id, task -> 'request' ->> 'task_id' AS task_id,
                coalesce(task -> 'decision' ->> 'reference', task -> 'receipt' ->> 'reference') AS reference,
                task -> 'decision' ->> 'document' AS document
            FROM cases, jsonb_array_elements(state::jsonb -> 'tasks') AS task
        ) AS tasks
        WHERE hashtextextended({column}, 1) = ANY($1)
    """
