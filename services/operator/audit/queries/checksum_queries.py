"""The statements that read a whole database once and reduce it to one checksum a bucket of cases.

A fact is what two tables must agree on, such as "this case was decided then, with this outcome". Each side sums its
facts by bucket, as a count and the exclusive or of 64-bit hashes. Equal sums of a bucket mean equal facts; where they
differ, the cases of that bucket are checked singly. The bucket of a fact is that of its case, so that everything on
record of a case meets in one bucket. Rows that contradict themselves raise a flag.

Facts are cut out of the JSON as text, at a fifth of the cost of parsing it. A cut that does not find its mark makes the
two sides differ: such a case is checked singly, never passed over. ``OFFSET 0`` keeps PostgreSQL from repeating a cut
wherever its result is used, and from carrying whole texts through a sort.

Parameters: ``$1`` the number of buckets less one; ``$2`` and ``$3``, as text and as a moment, since when outboxes are
complete; ``$4`` and ``$5`` the moment up to which departments' answers are compared; ``$6``, as text, a moment that
lies ahead. ``%ledger%`` stands for the query that reads a department's ledger.
"""

from services.operator.audit.queries.checksum import Checksum, Fact, after, bucket, hashed

TAKE_SNAPSHOT = "SELECT"

SESSION = "SET LOCAL work_mem = '96MB'; SET LOCAL effective_io_concurrency = 0"
"""For one statement at a time in each database. Rows that exceed the memory go to PostgreSQL's temporary files.

Whole tables are read from front to back: the operating system reads ahead, and a page that the statement's own process
reads is in its CPU's cache. Reading by other processes, PostgreSQL 18's default, adds a tenth to the time.
"""

_FEE_COUNTS = """
    SELECT array[count(*), count(DISTINCT (s ->> 'step', f ->> 'name'))]
    FROM jsonb_path_query(state::jsonb, '$.accepted.plan.steps[*] ? (exists(@.fees[0]))') AS s,
        jsonb_array_elements(s -> 'fees') AS f
"""
"""How many fees the steps of a case have, and how many different ones. Few cases have any."""

INTAKE_CASES = Checksum(
    facts=(Fact.KNOWN_TO_ROUTING, Fact.KNOWN_TO_MONITOR, Fact.ACCEPTED, Fact.DECIDED, Fact.SHOWN),
    counts=("cases", "fees"),
    rows=f"""
    SELECT b, known AS known_to_routing, known AS known_to_monitor,
        CASE WHEN accepted_at > $2 THEN known END AS accepted,
        CASE WHEN decided_at <> '' THEN {hashed("case_id", "decided_at", "outcome")} END AS decided,
        CASE WHEN decided_at > $2 THEN {hashed("case_id", "steps")} END AS shown,
        (closed_at IS NULL) = (timer IS NULL)
            OR (closed_at IS NOT NULL) <> (decided_at <> '' AND monitored)
            OR coalesce(fee_counts[1] > fee_counts[2], false) AS flag,
        1 AS cases, coalesce(fee_counts[1], 0) AS fees
    FROM (
        SELECT {bucket("case_id")} AS b, case_id, hashtextextended(case_id, 1) AS known, closed_at, timer, fee_counts,
            split_part(rest, '"', 1) AS accepted_at,
            split_part(decision, '"', 1) AS decided_at, split_part(decision, '"', 5) AS outcome,
            replace(split_part(split_part(rest, '"steps":[', 2), '],"', 1), ',"from_routing":true', '') AS steps,
            split_part(rest, '"monitored":true', 2) <> '' AS monitored
        FROM (
            SELECT case_id, closed_at, timer, fee_counts, rest,
                split_part(rest, '"decision":{{"decided_at":"', 2) AS decision
            FROM (
                SELECT case_id, closed_at, coalesce(timer_at, retry_at) AS timer,
                    split_part(state, '"accepted_at":"', 2) AS rest,
                    CASE WHEN strpos(state, '"fees":[{{') > 0 THEN ({_FEE_COUNTS}) END AS fee_counts
                FROM cases OFFSET 0
            ) AS found
            OFFSET 0
        ) AS cut
        OFFSET 0
    ) AS facts
    OFFSET 0
    """,
)

INTAKE_OUTBOX = Checksum(
    facts=(Fact.ACCEPTED,),
    second=(Fact.ACCEPTED,),
    counts=("messages",),
    rows=f"""
    SELECT b, min(CASE WHEN accepted_at > $2 THEN id END) AS accepted, min(content) <> max(content) AS flag,
        count(*) AS messages
    FROM (
        SELECT {bucket("case_id")} AS b, hashtextextended(case_id, 1) AS id, hashtextextended(data, 1) AS content,
            {after("data", '"accepted_at":"')} AS accepted_at
        FROM (SELECT case_id, split_part(event, '"data":{{"plan":', 2) AS data FROM outbox
            WHERE topic = 'onedoor.cases' OFFSET 0) AS found
        OFFSET 0
    ) AS acceptances
    GROUP BY b, id
    """,
)

_BEGINS_AT = f"""
    CASE WHEN strpos(rest, '"after":["') = 0 THEN accepted_at ELSE (
        SELECT CASE WHEN bool_and(arrived_at <> '') THEN max(arrived_at COLLATE "C") || 'Z' END
        FROM string_to_table(split_part(split_part(rest, '"after":["', 2), '"]', 1), '","') AS name,
            LATERAL (SELECT split_part(split_part(state, '{{"plan":{{"step":"' || name || '"', 2), '{{"plan":', 1)
                AS earlier OFFSET 0) AS found,
            LATERAL (SELECT rtrim({after("earlier", '"arrived_at":"')}, 'Z') AS arrived_at OFFSET 0) AS cut
    ) END
"""
"""When a step of routing can begin: with the acceptance, or when the last answer that it waits for arrived. Without the
letter for the zone, texts of moments have their order."""

ROUTING_CASES = Checksum(
    facts=(
        *(
            Fact.KNOWN_TO_ROUTING,
            Fact.DECIDED,
            Fact.DECISION_PUBLISHED,
            Fact.REQUESTED,
            Fact.HANDED_OVER,
            Fact.ANSWERED,
        ),
        *(Fact.CLOSED, Fact.BEGUN),
    ),
    second=(Fact.KNOWN_TO_ROUTING, Fact.DECIDED),
    counts=("tasks",),
    rows=f"""
    SELECT b, CASE WHEN first THEN hashtextextended(case_id, 1) END AS known_to_routing,
        decision AS decided, CASE WHEN decided_at > $2 THEN decision END AS decision_published,
        CASE WHEN decided_at <> '' THEN {hashed("case_id", "decided_at")} END AS closed,
        CASE WHEN requested_at > $2 THEN task END AS requested,
        CASE WHEN requested_at > $2 THEN task END AS handed_over,
        CASE WHEN answered_at > $2 THEN {hashed("case_id", "step", "answer")} END AS answered,
        CASE WHEN limited AND requested_at <> '' THEN {hashed("case_id", "step", "requested_at")} END AS begun,
        first AND ((closed_at IS NULL) = (timer IS NULL) OR (closed_at IS NULL) <> (decided_at = ''))
            OR requested_at <> '' AND requested_at IS DISTINCT FROM begins_at AS flag,
        (requested_at <> '')::int AS tasks
    FROM (
        SELECT b, case_id, closed_at, timer, first, step, requested_at, begins_at, limited, answer, decided_at,
            split_part(answer, '"', 1) AS answered_at,
            CASE WHEN NOT first THEN {hashed("case_id", "step", "system", "requested_at")} END AS task,
            CASE WHEN decided_at <> '' THEN {hashed("case_id", "decided_at", "outcome")} END AS decision
        FROM (
            SELECT {bucket("case_id")} AS b, case_id, closed_at, coalesce(timer_at, retry_at) AS timer, i = 1 AS first,
                split_part(decision, '"', 1) AS outcome, split_part(decision, '"', 5) AS decided_at,
                CASE WHEN i > 1 THEN split_part(piece, '"', 1) END AS step,
                CASE WHEN i > 1 THEN split_part(rest, '"', 1) END AS system,
                CASE WHEN i > 1 THEN {after("course", '"requested_at":"')} END AS requested_at,
                CASE WHEN i > 1 THEN {_BEGINS_AT} END AS begins_at, strpos(rest, '"limits":{{') > 0 AS limited,
                CASE WHEN i > 1 THEN split_part(course, '"decided_at":"', 2) END AS answer
            FROM (SELECT *, {after("state", '"accepted_at":"')} AS accepted_at FROM cases OFFSET 0) AS accepted,
                string_to_table(state, '{{"plan":{{"step":"') WITH ORDINALITY AS pieces (piece, i),
                LATERAL (SELECT
                    CASE WHEN i = 1 THEN split_part(state, '],"outcome":"', 2) END AS decision,
                    CASE WHEN i > 1 THEN split_part(piece, '"system":"', 2) END AS rest OFFSET 0) AS cut,
                LATERAL (SELECT split_part(split_part(rest, '"state":"', 2), '"}}', 1) AS course OFFSET 0) AS again
            OFFSET 0
        ) AS found
        OFFSET 0
    ) AS steps
    """,
)

ROUTING_OUTBOX = Checksum(
    facts=(Fact.DECISION_PUBLISHED, Fact.SHOWN, Fact.REQUESTED),
    second=(Fact.DECISION_PUBLISHED, Fact.SHOWN, Fact.REQUESTED),
    counts=("messages",),
    rows=f"""
    SELECT b, CASE WHEN shown IS NOT NULL THEN fact END AS decision_published, shown,
        CASE WHEN shown IS NULL THEN fact END AS requested, flag, messages
    FROM (
        SELECT b, min(CASE WHEN at > $2 THEN fact END) AS fact, min(CASE WHEN at > $2 THEN shown END) AS shown,
            min(content) <> max(content) AS flag, count(*) AS messages
        FROM (
            SELECT {bucket("case_id")} AS b, {hashed("case_id", "step")} AS id,
                hashtextextended(data, 1) AS content, at,
                CASE WHEN decided THEN {hashed("case_id", "at", "outcome")}
                    ELSE {hashed("case_id", "step", "system", "at")} END AS fact,
                CASE WHEN decided THEN {hashed("case_id", "steps")} END AS shown
            FROM (
                SELECT case_id, data, decided,
                    CASE WHEN decided THEN split_part(data, '"', 1) END AS outcome,
                    CASE WHEN decided THEN split_part(rest, '}}]}}}}', 1) || '}}' END AS steps,
                    CASE WHEN decided THEN '' ELSE split_part(data, '"', 5) END AS step,
                    CASE WHEN NOT decided THEN split_part(rest, '"', 1) END AS system,
                    CASE WHEN decided THEN split_part(data, '"', 5) ELSE {after("rest", '"requested_at":"')} END AS at
                FROM (
                    SELECT case_id, decided, split_part(event,
                        CASE WHEN decided THEN '"data":{{"outcome":"' ELSE '"data":{{"task_id":"' END, 2) AS data
                    FROM outbox, LATERAL (SELECT topic = 'onedoor.decisions' AS decided) AS of
                    WHERE starts_with(topic, 'onedoor.tasks.')
                        OR decided AND strpos(event, '"onedoor.case.decided.v1"') > 0
                    OFFSET 0
                ) AS found,
                    LATERAL (SELECT split_part(data, CASE WHEN decided THEN '"steps":[' ELSE '"system":"' END, 2)
                        AS rest OFFSET 0) AS cut
                OFFSET 0
            ) AS cut
            OFFSET 0
        ) AS messages
        GROUP BY b, id
    ) AS different
    """,
)

_RUNGS = ("warning", "yellow", "red")
_FIRED = """(raised @> '[{{"rung": "{0}"}}]')"""
_STANDS = _FIRED + """ AND NOT raised @> '[{{"rung": "{0}", "withdrawn": true}}]'"""


_DUE = ", ".join("nullif({}, '') AS {}".format(after("due", f'"{rung}":"'), rung) for rung in _RUNGS)


def _wrong_rungs() -> str:
    """Whether the rungs that fired may differ from those that should have, as SQL.

    Texts are compared to the second; a case that ended in the very second of a deadline is checked singly.
    """
    ended = " OR ".join(
        f"coalesce(left({rung}, 19) = left(ended, 19), false)"
        f" OR coalesce({rung} < ended, false) <> ({_STANDS.format(rung)})"
        for rung in _RUNGS
    )
    open_ = " OR ".join(f"coalesce({rung} <= $4, false) <> {_FIRED.format(rung)}" for rung in _RUNGS)
    counted = " + ".join(f"{_FIRED.format(rung)}::int" for rung in _RUNGS)
    first = f"left(least({', '.join(_RUNGS)}), 19)"
    return f"""
        CASE WHEN due = '' OR raised IS NULL THEN fired OR coalesce({first} <= left(coalesce(ended, $4), 19), false)
            WHEN jsonb_array_length(raised) <> {counted} THEN true
            WHEN ended IS NULL THEN coalesce({open_}, true)
            ELSE coalesce({ended}, true)
        END"""


def _alert_sums(*parts: str) -> str:
    """The exclusive or of the hashes of these parts over the fired rungs of one commitment, as SQL."""
    return f"""
        CASE WHEN raised IS NOT NULL THEN (
            SELECT bit_xor({hashed("case_id", "key", *parts)})
            FROM jsonb_array_elements(raised) AS r WHERE r ->> 'raised_at' > $2) END"""


_FIRED_COUNT = """
        CASE WHEN raised IS NOT NULL THEN (
            SELECT count(*) FROM jsonb_array_elements(raised) AS r WHERE r ->> 'raised_at' > $2) END"""

_AHEAD = """
        CASE WHEN raised IS NOT NULL THEN EXISTS (
            SELECT FROM jsonb_array_elements(raised) AS r WHERE r ->> 'raised_at' > $6) END"""
"""Whether a rung fired at a moment that lies ahead."""

MONITOR_CASES = Checksum(
    facts=(Fact.KNOWN_TO_MONITOR, Fact.CLOSED, Fact.OPENED),
    summed=(Fact.BEGUN, Fact.LISTED, Fact.ALERT_PUBLISHED),
    second=(Fact.KNOWN_TO_MONITOR, Fact.CLOSED, Fact.BEGUN),
    counts=("commitments", "rungs"),
    rows=f"""
    SELECT b, hashtextextended(case_id, 1) AS known_to_monitor,
        CASE WHEN ended_at IS NOT NULL THEN {hashed("case_id", "ended_at")} END AS closed,
        CASE WHEN opened_at > $2 THEN {hashed("case_id", "opened_at")} END AS opened,
        begun_x, begun_n, listed_x, fired AS listed_n, published_x AS alert_published_x, fired AS alert_published_n,
        wrong_rungs OR ahead OR keys <> tracked OR (closed_at IS NOT NULL) <> (ended_at IS NOT NULL)
            OR closed_at IS NOT NULL AND timer IS NOT NULL AS flag,
        commitments, rungs
    FROM (
        SELECT {bucket("case_id")} AS b, closed_at, coalesce(timer_at, retry_at) AS timer,
            CASE WHEN closed_at IS NOT NULL THEN {after("state", '"ended_at":"')} END AS case_ended, case_id, state
        FROM cases OFFSET 0
    ) AS cut, LATERAL (
        SELECT coalesce(bool_or({_wrong_rungs()}), false) AS wrong_rungs,
            coalesce(bool_or({_AHEAD}), false) AS ahead,
            count(*) AS tracked, count(DISTINCT key) AS keys, count(opened) AS commitments,
            3 * count(nullif(due, '')) AS rungs,
            min(CASE WHEN key = 'case' THEN own_end END) AS ended_at,
            min(CASE WHEN key = 'case' AND due <> '' THEN opened END) AS opened_at,
            bit_xor(begun) AS begun_x, count(begun) AS begun_n,
            bit_xor({_alert_sums("(r ->> 'rung')", "(r ? 'withdrawn')::text")}) AS listed_x,
            bit_xor({_alert_sums("(r ->> 'rung')")}) AS published_x,
            sum({_FIRED_COUNT}) AS fired
        FROM (
            SELECT *, least(own_end, case_ended) AS ended,
                CASE WHEN starts_with(key, 'step/') THEN {hashed("case_id", "substr(key, 6)", "opened")} END AS begun,
                {_DUE},
                CASE WHEN fired THEN state::jsonb -> 'commitments' -> (i - 2)::int -> 'raised' END AS raised
            FROM (
                SELECT i, split_part(piece, '"', 1) AS key, nullif(split_part(rest, '"', 1), '') AS opened,
                    nullif({after("rest", '"ended_at":"')}, '') AS own_end, split_part(rest, '"due":{{', 2) AS due,
                    strpos(piece, '"raised":[') > 0 AS fired
                FROM string_to_table(state, '{{"key":"') WITH ORDINALITY AS pieces (piece, i),
                    LATERAL (SELECT split_part(piece, '"opened_at":"', 2) AS rest OFFSET 0) AS cut
                WHERE i > 1
                OFFSET 0
            ) AS cut
            OFFSET 0
        ) AS w
    ) AS summed
    """,
)

MONITOR_ALERTS = Checksum(
    facts=(Fact.LISTED,),
    second=(Fact.LISTED,),
    counts=("alerts",),
    rows=f"""
    SELECT {bucket("case_id")} AS b, CASE WHEN raised_at >= $3 THEN
        {hashed("case_id", "commitment", "rung", "(withdrawn_at IS NOT NULL)::text")} END AS listed,
        false AS flag, 1 AS alerts
    FROM alerts
    """,
)

_CASE_COMMITMENT = """split_part(event, '"key":"case"', 2)"""

MONITOR_OUTBOX = Checksum(
    facts=(Fact.OPENED,),
    summed=(Fact.ALERT_PUBLISHED,),
    second=(Fact.OPENED, Fact.ALERT_PUBLISHED),
    counts=("messages",),
    rows=f"""
    SELECT b, min(CASE WHEN opened_at > $2 THEN opened END) AS opened, bit_xor(alert) AS alert_published_x,
        count(alert) AS alert_published_n, min(opened) <> max(opened) AS flag, count(*) AS messages
    FROM (
        SELECT {bucket("case_id")} AS b, hashtextextended(case_id, 1) AS id, opened_at,
            CASE WHEN opened_at <> '' THEN {hashed("case_id", "opened_at")} END AS opened,
            CASE WHEN raised_at > $2 THEN {hashed("case_id", "commitment", "rung")} END AS alert
        FROM (
            SELECT case_id, raised,
                CASE WHEN NOT raised THEN {after(_CASE_COMMITMENT, '"opened_at":"')} END AS opened_at,
                CASE WHEN raised THEN {after("event", '"raised_at":"')} END AS raised_at,
                CASE WHEN raised THEN {after("event", '"commitment":"')} END AS commitment,
                CASE WHEN raised THEN {after("event", '"rung":"')} END AS rung
            FROM (
                SELECT case_id, topic = 'onedoor.alerts' AS raised, event FROM outbox
                WHERE topic = 'onedoor.commitments'
                    OR topic = 'onedoor.alerts' AND strpos(event, '"onedoor.alert.raised.v') > 0
                OFFSET 0
            ) AS found
            OFFSET 0
        ) AS cut
        WHERE raised OR opened_at <> ''
        OFFSET 0
    ) AS messages
    GROUP BY b, id
    """,
)

_ANSWER = """decided_at || '","arrived_at":"' || arrived_at || '","outcome":"' || outcome
    || coalesce('","document":"' || nullif(document, ''), '')"""
"""The answer as the text of routing's state has it."""

_FIRST_TASK = '{"tasks":[{"request":{"task_id":"'
_NEXT_TASK = ',{"request":{"task_id":"'

DEPARTMENT_CASES = Checksum(
    facts=(Fact.HANDED_OVER, Fact.ANSWERED, Fact.REPORTED, Fact.IN_LEDGER, Fact.OUTCOME_IN_LEDGER),
    second=(Fact.HANDED_OVER, Fact.ANSWERED),
    counts=("held", "documents"),
    unique=("number_hash", "document_hash"),
    rows=f"""
    SELECT b, CASE WHEN requested_at > $2 THEN {hashed("case_id", "step", "system", "requested_at")} END AS handed_over,
        CASE WHEN decided_at > $2 THEN {hashed("case_id", "step", _ANSWER)} END AS answered,
        CASE WHEN delivered_at > $2 THEN receipt END AS reported,
        CASE WHEN delivered_at > $2 THEN receipt END AS in_ledger,
        CASE WHEN decided_at > $2 AND decided_at < $4 THEN {hashed("task_id", "outcome")} END AS outcome_in_ledger,
        (closed_at IS NULL) = (call_due_at IS NULL) OR task_id <> case_id || '/' || step
            OR delivered_at <> '' AND delivered_at < requested_at OR delivered_at > $6
            OR decided_at <> '' AND decided_at < delivered_at OR decided_at > $6
            OR left(arrived_at, 19) < left(decided_at, 19) OR arrived_at > $6 AS flag,
        (task_id <> '')::int AS held, (document <> '')::int AS documents,
        CASE WHEN reference <> '' THEN hashtextextended(reference, 1) END AS number_hash,
        CASE WHEN document <> '' THEN hashtextextended(document, 1) END AS document_hash
    FROM (
        SELECT *, {hashed("task_id", "reference")} AS receipt FROM (
            SELECT {bucket("case_id")} AS b, case_id, closed_at, call_due_at, split_part(piece, '"', 1) AS task_id,
                split_part(piece, '"', 5) AS step, split_part(rest, '"', 1) AS system,
                {after("rest", '"requested_at":"')} AS requested_at,
                {after("course", '"reference":"')} AS reference, {after("course", '"delivered_at":"')} AS delivered_at,
                {after("course", '"decided_at":"')} AS decided_at, {after("course", '"arrived_at":"')} AS arrived_at,
                {after("course", '"outcome":"')} AS outcome, {after("course", '"document":"')} AS document
            FROM cases, string_to_table(right(state, -length('{_FIRST_TASK}')), '{_NEXT_TASK}') AS piece,
                LATERAL (SELECT split_part(piece, '"system":"', 2) AS rest OFFSET 0) AS cut,
                LATERAL (SELECT split_part(rest, '"state":"', 2) AS course OFFSET 0) AS again
            OFFSET 0
        ) AS found
        OFFSET 0
    ) AS tasks
    """,
)

DEPARTMENT_OUTBOX = Checksum(
    facts=(Fact.REPORTED,),
    second=(Fact.REPORTED,),
    counts=("messages",),
    rows=f"""
    SELECT b, min(CASE WHEN delivered_at > $2 THEN reported END) AS reported,
        min(reported) <> max(reported) OR min(answer) <> max(answer) AS flag, count(*) AS messages
    FROM (
        SELECT {bucket("case_id")} AS b, hashtextextended(task_id, 1) AS id,
            {hashed("task_id", "reference")} AS reported, delivered_at,
            CASE WHEN answer <> '' THEN hashtextextended(answer, 1) END AS answer
        FROM (
            SELECT case_id, split_part(data, '"', 1) AS task_id, split_part(rest, '"', 1) AS reference,
                {after("rest", '"delivered_at":"')} AS delivered_at, split_part(rest, '"outcome":"', 2) AS answer
            FROM (
                SELECT case_id, split_part(event, '"data":{{"task_id":"', 2) AS data FROM outbox
                WHERE starts_with(topic, 'onedoor.answers.') OFFSET 0
            ) AS found,
                LATERAL (SELECT split_part(data, '"reference":"', 2) AS rest OFFSET 0) AS cut
            OFFSET 0
        ) AS cut
        OFFSET 0
    ) AS answers
    GROUP BY b, id
    """,
)

LEDGER = Checksum(
    facts=(Fact.IN_LEDGER, Fact.OUTCOME_IN_LEDGER),
    second=(Fact.IN_LEDGER, Fact.OUTCOME_IN_LEDGER),
    counts=("entries",),
    unique=("number_hash",),
    rows=f"""
    SELECT {bucket("split_part(task_id, '/', 1)")} AS b,
        CASE WHEN received_at >= $3 THEN {hashed("task_id", "number")} END AS in_ledger,
        CASE WHEN decided_at >= $3 AND decided_at < $5 THEN {hashed("task_id", "outcome")} END AS outcome_in_ledger,
        false AS flag, 1 AS entries, hashtextextended(number, 1) AS number_hash
    FROM (%ledger%) AS ledger WHERE task_id IS NOT NULL
    """,
)
