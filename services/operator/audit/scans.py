"""The statements that read a whole database once and boil it down to one number a bucket.

What two tables must agree on is called a fact: "this case was decided then, like that". Each side adds up its facts,
bucket by bucket, as a count and the exclusive or of 64-bit hashes. Where the two sums of a bucket are the same, so
are the facts; where they differ, the cases of that bucket are looked at one by one. A fact's bucket is that of its
case, so that all that is known of a case meets in one bucket. Rows that contradict themselves raise a flag.

Facts are cut out of the JSON as text, which costs a fifth of parsing it. A cut that does not find what it expects
yields something else on one side: such a case is looked at in vain, never passed over.

Parameters: ``$1`` the number of buckets less one; ``$2`` and ``$3``, as text and as a moment, since when ledgers are
whole; ``$4`` and ``$5`` the moment up to which answers of departments are compared. ``%books%`` stands for the query
that reads a department's books.
"""

from services.operator.audit.scan import BUCKET, BUCKET_OF_TASK, Fact, Scan, after, hashed

INTAKE_CASES = Scan(
    facts=(Fact.KNOWN_TO_ROUTING, Fact.KNOWN_TO_MONITOR, Fact.ACCEPTED, Fact.DECIDED, Fact.SHOWN),
    counts=("cases", "fees"),
    rows=f"""
    SELECT b, known AS known_to_routing, known AS known_to_monitor,
        CASE WHEN accepted_at > $2 THEN known END AS accepted,
        CASE WHEN decided_at <> '' THEN {hashed("case_id", "decided_at", "outcome")} END AS decided,
        CASE WHEN decided_at > $2 THEN {hashed("case_id", "steps")} END AS shown,
        (closed_at IS NULL) = (alarm IS NULL)
            OR (closed_at IS NOT NULL) <> (decided_at <> '' AND monitored)
            OR fees > different AS flag,
        1 AS cases, fees
    FROM (
        SELECT {BUCKET}, case_id, hashtextextended(case_id, 1) AS known, closed_at, alarm,
            split_part(rest, '"', 1) AS accepted_at,
            split_part(decision, '"', 1) AS decided_at, split_part(decision, '"', 5) AS outcome,
            replace(split_part(split_part(rest, '"steps":[', 2), '],"', 1), ',"settled":true', '') AS steps,
            strpos(rest, '"monitored":true') > 0 AS monitored,
            coalesce(fees, 0) AS fees, coalesce(different, 0) AS different
        FROM (
            SELECT case_id, state, closed_at, coalesce(wake_at, again_at) AS alarm, rest,
                split_part(rest, '"decision":{{"decided_at":"', 2) AS decision
            FROM cases, LATERAL (SELECT split_part(state, '"accepted_at":"', 2) AS rest OFFSET 0) AS cut
            OFFSET 0
        ) AS found
        LEFT JOIN LATERAL (
            SELECT count(*) AS fees, count(DISTINCT (s ->> 'step', f ->> 'name')) AS different
            FROM jsonb_path_query(state::jsonb, '$.accepted.plan.steps[*] ? (exists(@.fees[0]))') AS s,
                jsonb_array_elements(s -> 'fees') AS f
        ) AS bill ON strpos(state, '"fees":[{{') > 0
        OFFSET 0
    ) AS cut
    """,
)

INTAKE_SAID = Scan(
    facts=(Fact.ACCEPTED,),
    second=(Fact.ACCEPTED,),
    counts=("messages",),
    rows=f"""
    SELECT {BUCKET}, CASE WHEN accepted_at > $2 THEN hashtextextended(case_id, 1) END AS accepted,
        said_first <> said_last AS flag, messages
    FROM (
        SELECT case_id, min({after("event", '"accepted_at":"')}) AS accepted_at, count(*) AS messages,
            min(said) AS said_first, max(said) AS said_last
        FROM (
            SELECT case_id, event, hashtextextended(split_part(event, '"data":', 2), 1) AS said FROM outbox
            WHERE topic = 'onedoor.cases' OFFSET 0
        ) AS found
        GROUP BY case_id
    ) AS acceptances
    """,
)

ROUTING_CASES = Scan(
    facts=(
        *(Fact.KNOWN_TO_ROUTING, Fact.DECIDED, Fact.DECISION_SAID, Fact.REQUESTED, Fact.HANDED, Fact.ANSWERED),
        Fact.CLOSED,
    ),
    second=(Fact.KNOWN_TO_ROUTING, Fact.DECIDED),
    counts=("tasks",),
    rows=f"""
    SELECT b, CASE WHEN first THEN hashtextextended(case_id, 1) END AS known_to_routing,
        CASE WHEN first AND decided_at <> '' THEN {hashed("case_id", "decided_at", "outcome")} END AS decided,
        CASE WHEN first AND decided_at > $2 THEN {hashed("case_id", "decided_at", "outcome")} END AS decision_said,
        CASE WHEN first AND decided_at <> '' THEN {hashed("case_id", "decided_at")} END AS closed,
        CASE WHEN requested_at > $2 THEN task END AS requested, CASE WHEN requested_at > $2 THEN task END AS handed,
        CASE WHEN answered_at > $2 THEN {hashed("case_id", "step", "answer")} END AS answered,
        first AND ((closed_at IS NULL) = (alarm IS NULL) OR (closed_at IS NULL) <> (decided_at = '')) AS flag,
        (requested_at <> '')::int AS tasks
    FROM (
        SELECT *, {hashed("case_id", "step", "system", "requested_at")} AS task,
            split_part(answer, '"', 1) AS answered_at,
            CASE WHEN first THEN split_part(decision, '"', 5) END AS decided_at,
            CASE WHEN first THEN split_part(decision, '"', 1) END AS outcome
        FROM (
            SELECT {BUCKET}, case_id, closed_at, coalesce(wake_at, again_at) AS alarm, i = 1 AS first,
                CASE WHEN i = 1 THEN split_part(state, '],"outcome":"', 2) END AS decision,
                CASE WHEN i > 1 THEN split_part(piece, '"', 1) END AS step,
                CASE WHEN i > 1 THEN {after("piece", '"system":"')} END AS system,
                CASE WHEN i > 1 THEN {after("course", '"requested_at":"')} END AS requested_at,
                CASE WHEN i > 1 THEN split_part(course, '"decided_at":"', 2) END AS answer
            FROM cases, string_to_table(state, '{{"plan":{{"step":"') WITH ORDINALITY AS pieces (piece, i),
                LATERAL (SELECT split_part(split_part(piece, '"state":"', 2), '"}}', 1) AS course OFFSET 0) AS cut
            OFFSET 0
        ) AS found
        OFFSET 0
    ) AS steps
    """,
)

_OUTCOME = """split_part(data, '"', 4)"""
_DECIDED_AT = """split_part(data, '"', 8)"""
_DECIDED_STEPS = """left(split_part(data, '"steps":[', 2), -3)"""
"""Where they stand in what routing says of a decision: ``{"outcome":"...","decided_at":"...","steps":[...]}``."""

ROUTING_SAID = Scan(
    facts=(Fact.DECISION_SAID, Fact.SHOWN, Fact.REQUESTED),
    second=(Fact.DECISION_SAID, Fact.SHOWN, Fact.REQUESTED),
    counts=("messages",),
    rows=f"""
    SELECT {BUCKET}, decision_said, shown, requested, said_first <> said_last AS flag, messages
    FROM (
        SELECT case_id, key, min(said) AS said_first, max(said) AS said_last, count(*) AS messages,
            min(CASE WHEN key = 0 AND at > $2 THEN fact END) AS decision_said,
            min(CASE WHEN key = 0 AND at > $2 THEN shown END) AS shown,
            min(CASE WHEN key <> 0 AND at > $2 THEN fact END) AS requested
        FROM (
            SELECT case_id, 0 AS key, hashtextextended(data, 1) AS said, {_DECIDED_AT} AS at,
                {hashed("case_id", _DECIDED_AT, _OUTCOME)} AS fact,
                {hashed("case_id", _DECIDED_STEPS)} AS shown
            FROM (
                SELECT case_id, split_part(event, '"data":', 2) AS data FROM outbox
                WHERE topic = 'onedoor.decisions' AND strpos(event, '"onedoor.case.decided.v1"') > 0 OFFSET 0
            ) AS decisions
            UNION ALL
            SELECT case_id, hashtextextended(step, 1), hashtextextended(data, 1), at,
                {hashed("case_id", "step", "system", "at")}, NULL
            FROM (
                SELECT case_id, data, {after("data", '"step":"')} AS step, {after("data", '"system":"')} AS system,
                    {after("data", '"requested_at":"')} AS at
                FROM (
                    SELECT case_id, split_part(event, '"data":', 2) AS data FROM outbox
                    WHERE starts_with(topic, 'onedoor.tasks.') OFFSET 0
                ) AS requests
                OFFSET 0
            ) AS cut
        ) AS found
        GROUP BY case_id, key
    ) AS different
    """,
)

_RUNGS = ("warning", "yellow", "red")
_FIRED = """(raised @> '[{{"rung": "{0}"}}]')"""
_STANDS = _FIRED + """ AND NOT raised @> '[{{"rung": "{0}", "withdrawn": true}}]'"""


def _wrong_rungs() -> str:
    """Whether the rungs that have fired may be others than the facts of this commitment call for.

    Texts are compared to the second; what happened in the very second of a deadline is looked at by itself.
    """
    ended = " OR ".join(
        f"coalesce(left(due ->> '{rung}', 19) = left(ended, 19), false)"
        f" OR coalesce(due ->> '{rung}' < ended, false) <> ({_STANDS.format(rung)})"
        for rung in _RUNGS
    )
    open_ = " OR ".join(f"coalesce(due ->> '{rung}' <= $4, false) <> {_FIRED.format(rung)}" for rung in _RUNGS)
    counted = " + ".join(f"{_FIRED.format(rung)}::int" for rung in _RUNGS)
    first = "left(least(due ->> 'warning', due ->> 'yellow', due ->> 'red'), 19)"
    return f"""
        CASE WHEN due IS NULL THEN raised IS NOT NULL
            WHEN raised IS NULL THEN coalesce({first} <= left(coalesce(ended, $4), 19), false)
            WHEN jsonb_array_length(raised) <> {counted} THEN true
            WHEN ended IS NULL THEN coalesce({open_}, true)
            ELSE coalesce({ended}, true)
        END"""


def _alerts(*parts: str) -> str:
    """Sums over the rungs of one commitment that have fired: the hashes of these parts, and how many."""
    return f"""
        CASE WHEN raised IS NOT NULL THEN (
            SELECT bit_xor({hashed("case_id", "key", *parts)})
            FROM jsonb_array_elements(raised) AS r WHERE r ->> 'raised_at' > $2) END"""


_FIRED_COUNT = """
        CASE WHEN raised IS NOT NULL THEN (
            SELECT count(*) FROM jsonb_array_elements(raised) AS r WHERE r ->> 'raised_at' > $2) END"""

MONITOR_CASES = Scan(
    facts=(Fact.KNOWN_TO_MONITOR, Fact.CLOSED, Fact.OPENED),
    summed=(Fact.LISTED, Fact.ALERT_SAID),
    second=(Fact.KNOWN_TO_MONITOR, Fact.CLOSED),
    counts=("commitments", "rungs"),
    rows=f"""
    SELECT b, hashtextextended(case_id, 1) AS known_to_monitor,
        CASE WHEN ended_at IS NOT NULL THEN {hashed("case_id", "ended_at")} END AS closed,
        CASE WHEN opened_at > $2 THEN {hashed("case_id", "opened_at")} END AS opened,
        listed_x, fired AS listed_n, said_x AS alert_said_x, fired AS alert_said_n,
        wrong_rungs OR keys <> watches OR (closed_at IS NOT NULL) <> (ended_at IS NOT NULL)
            OR closed_at IS NOT NULL AND alarm IS NOT NULL AS flag,
        commitments, rungs
    FROM (
        SELECT {BUCKET}, closed_at, coalesce(wake_at, again_at) AS alarm,
            CASE WHEN closed_at IS NOT NULL THEN {after("state", '"ended_at":"')} END AS case_ended, case_id, state
        FROM cases OFFSET 0
    ) AS cut, LATERAL (
        SELECT coalesce(bool_or({_wrong_rungs()}), false) AS wrong_rungs,
            count(*) AS watches, count(DISTINCT key) AS keys, count(opened) AS commitments, 3 * count(due) AS rungs,
            min(CASE WHEN key = 'case' THEN own_end END) AS ended_at,
            min(CASE WHEN key = 'case' AND due IS NOT NULL THEN opened END) AS opened_at,
            bit_xor({_alerts("(r ->> 'rung')", "(r ? 'withdrawn')::text")}) AS listed_x,
            bit_xor({_alerts("(r ->> 'rung')")}) AS said_x,
            sum({_FIRED_COUNT}) AS fired
        FROM (
            SELECT key, opened_at AS opened, ended_at AS own_end, least(ended_at, case_ended) AS ended, due, raised
            FROM jsonb_to_recordset(state::jsonb -> 'watches')
                AS w (key text, opened_at text, ended_at text, due jsonb, raised jsonb)
            OFFSET 0
        ) AS w
    ) AS summed
    """,
)

MONITOR_ALERTS = Scan(
    facts=(Fact.LISTED,),
    second=(Fact.LISTED,),
    counts=("alerts",),
    rows=f"""
    SELECT {BUCKET}, CASE WHEN raised_at >= $3 THEN
        {hashed("case_id", "commitment", "rung", "(withdrawn_at IS NOT NULL)::text")} END AS listed,
        false AS flag, 1 AS alerts
    FROM alerts
    """,
)

_OF_THE_CASE = """split_part(event, '"key":"case"', 2)"""

MONITOR_SAID = Scan(
    facts=(Fact.OPENED, Fact.ALERT_SAID),
    second=(Fact.OPENED, Fact.ALERT_SAID),
    counts=("messages",),
    rows=f"""
    SELECT {BUCKET}, CASE WHEN at > $2 THEN {hashed("case_id", "at")} END AS opened, NULL::bigint AS alert_said,
        at <> last_at AS flag, messages
    FROM (
        SELECT case_id, min(at) AS at, max(at) AS last_at, count(*) AS messages
        FROM (
            SELECT case_id, {after(_OF_THE_CASE, '"opened_at":"')} AS at
            FROM outbox WHERE topic = 'onedoor.commitments' OFFSET 0
        ) AS found
        WHERE at <> ''
        GROUP BY case_id
    ) AS commitments
    UNION ALL
    SELECT {BUCKET}, NULL, CASE WHEN {after("event", '"raised_at":"')} > $2 THEN
        {hashed("case_id", after("event", '"commitment":"'), after("event", '"rung":"'))} END, false, 1
    FROM outbox WHERE topic = 'onedoor.alerts' AND strpos(event, '"onedoor.alert.raised.v') > 0
    """,
)

_ANSWER = """decided_at || '","outcome":"' || outcome || document"""
"""As it stands in routing's state."""

DEPARTMENT_CASES = Scan(
    facts=(Fact.HANDED, Fact.ANSWERED, Fact.TOLD, Fact.IN_THE_BOOKS, Fact.OUTCOME_IN_THE_BOOKS),
    second=(Fact.HANDED, Fact.ANSWERED),
    counts=("held", "documents"),
    unique=("number_twice", "document_twice"),
    rows=f"""
    SELECT b, CASE WHEN requested_at > $2 THEN {hashed("case_id", "step", "system", "requested_at")} END AS handed,
        CASE WHEN decided_at > $2 THEN {hashed("case_id", "step", _ANSWER)} END AS answered,
        CASE WHEN delivered_at > $2 THEN {hashed("task_id", "reference")} END AS told,
        CASE WHEN delivered_at > $2 THEN {hashed("task_id", "reference")} END AS in_the_books,
        CASE WHEN decided_at > $2 AND decided_at < $4 THEN {hashed("task_id", "outcome")} END AS outcome_in_the_books,
        first AND ((closed_at IS NULL) = (call_at IS NULL))
            OR task_id <> case_id || '/' || step AS flag,
        (NOT first)::int AS held, (document <> '')::int AS documents,
        CASE WHEN reference <> '' THEN hashtextextended(reference, 1) END AS number_twice,
        CASE WHEN document <> '' THEN hashtextextended(document, 1) END AS document_twice
    FROM (
        SELECT {BUCKET}, case_id, closed_at, call_at, i = 1 AS first,
            CASE WHEN i > 1 THEN split_part(piece, '"', 1) END AS task_id,
            CASE WHEN i > 1 THEN {after("piece", '"step":"')} END AS step,
            CASE WHEN i > 1 THEN {after("piece", '"system":"')} END AS system,
            CASE WHEN i > 1 THEN {after("piece", '"requested_at":"')} END AS requested_at,
            CASE WHEN i > 1 THEN {after("course", '"reference":"')} END AS reference,
            CASE WHEN i > 1 THEN {after("course", '"delivered_at":"')} END AS delivered_at,
            CASE WHEN i > 1 THEN {after("course", '"decided_at":"')} END AS decided_at,
            CASE WHEN i > 1 THEN {after("course", '"outcome":"')} END AS outcome,
            CASE WHEN i > 1 AND strpos(course, '"document":"') > 0
                THEN '","document":"' || {after("course", '"document":"')} ELSE '' END AS document
        FROM cases, string_to_table(state, '{{"request":{{"task_id":"') WITH ORDINALITY AS pieces (piece, i),
            LATERAL (SELECT split_part(piece, '"state":"', 2) AS course OFFSET 0) AS cut
        OFFSET 0
    ) AS tasks
    """,
)

DEPARTMENT_SAID = Scan(
    facts=(Fact.TOLD,),
    second=(Fact.TOLD,),
    counts=("messages",),
    rows=f"""
    SELECT {BUCKET}, CASE WHEN at > $2 THEN {hashed("task_id", "reference")} END AS told,
        reference <> last_reference OR answer <> last_answer AS flag, messages
    FROM (
        SELECT case_id, task_id, min(reference) AS reference, max(reference) AS last_reference,
            min(answer) AS answer, max(answer) AS last_answer, min(at) AS at, count(*) AS messages
        FROM (
            SELECT case_id, {after("data", '"task_id":"')} AS task_id, {after("data", '"reference":"')} AS reference,
                {after("data", '"delivered_at":"')} AS at, nullif(split_part(data, '"outcome":"', 2), '') AS answer
            FROM (
                SELECT case_id, split_part(event, '"data":', 2) AS data FROM outbox
                WHERE starts_with(topic, 'onedoor.answers.') OFFSET 0
            ) AS answers
            OFFSET 0
        ) AS cut
        GROUP BY case_id, task_id
    ) AS told
    """,
)

BOOKS = Scan(
    facts=(Fact.IN_THE_BOOKS, Fact.OUTCOME_IN_THE_BOOKS),
    second=(Fact.IN_THE_BOOKS, Fact.OUTCOME_IN_THE_BOOKS),
    counts=("entries",),
    unique=("number_twice",),
    rows=f"""
    SELECT {BUCKET_OF_TASK}, CASE WHEN received_at >= $3 THEN {hashed("task_id", "number")} END AS in_the_books,
        CASE WHEN decided_at >= $3 AND decided_at < $5 THEN {hashed("task_id", "outcome")} END AS outcome_in_the_books,
        false AS flag, 1 AS entries, hashtextextended(number, 1) AS number_twice
    FROM (%books%) AS books WHERE task_id IS NOT NULL
    """,
)

STANDARD_BOOKS = "SELECT task_id, number, outcome, received_at, decide_at AS decided_at FROM books"
"""How the stand-ins' books are read."""
