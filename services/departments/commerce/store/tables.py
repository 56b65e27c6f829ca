"""The exchange tables, with the columns that city platforms use, in PostgreSQL's types.

Times are local, without a zone. ``cd_operation`` is I for a new row and U for a repeated or changed one, ``cd_batch``
is the batch in which a row was written and ``cd_time`` when. ``fetched_at`` is the reader's mark, which the exchange
agreement adds: rows become visible in the order of their commits, not of their ids, so that a reader that remembers
the last id would miss some.
"""

from collections.abc import Iterable

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

_CONTROL = """
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    row_guid varchar(120) NOT NULL UNIQUE,
    project_no varchar(96) NOT NULL,
    data_source varchar(3) NOT NULL,
    cd_operation varchar(2) NOT NULL,
    cd_batch varchar(32) NOT NULL,
    cd_time timestamp NOT NULL,
    fetched_at timestamptz
"""

_DDL = (
    "SELECT pg_advisory_xact_lock(794117)",
    f"""
    CREATE TABLE IF NOT EXISTS up_pro_accept ({_CONTROL},
        catalog_code varchar(64) NOT NULL,
        local_catalog_code varchar(50),
        task_code varchar(64) NOT NULL,
        local_task_code varchar(50),
        task_handle_item varchar(50),
        task_version integer,
        task_name varchar(1000) NOT NULL,
        project_name varchar(1000),
        project_type varchar(2) NOT NULL,
        apply_type varchar(2) NOT NULL,
        apply_date timestamp NOT NULL,
        applyer_name varchar(200),
        applyer_type varchar(2),
        applyer_page_type varchar(70),
        applyer_page_code varchar(500),
        legal varchar(100),
        contact_name varchar(100),
        contact_type varchar(6),
        contact_code varchar(50),
        contact_mobile varchar(11),
        address varchar(1000),
        zip_code varchar(6),
        org_code varchar(18),
        org_name varchar(200) NOT NULL,
        handle_user_name varchar(100),
        accept_date timestamp NOT NULL,
        accept_doc_no varchar(50),
        promise_date timestamp
    )
    """,
    f"""
    CREATE TABLE IF NOT EXISTS up_pro_process ({_CONTROL},
        event_name varchar(2) NOT NULL,
        process_name varchar(1000) NOT NULL,
        handle_user_name varchar(100) NOT NULL,
        handle_explain varchar(2000) NOT NULL,
        event_start_time timestamp NOT NULL,
        event_end_time timestamp NOT NULL,
        remark text
    )
    """,
    f"""
    CREATE TABLE IF NOT EXISTS up_pro_result ({_CONTROL},
        handle_user_name varchar(100),
        is_delivery_results varchar(2) NOT NULL,
        result_type varchar(2) NOT NULL,
        result_date timestamp NOT NULL,
        result_explain varchar(2000),
        result_cetr_name text,
        result_cetr_no varchar(2000),
        satisfaction varchar(2),
        remark varchar(1000)
    )
    """,
    f"""
    CREATE TABLE IF NOT EXISTS up_pro_special_procedure ({_CONTROL},
        special_type varchar(2) NOT NULL,
        special_name varchar(1000) NOT NULL,
        special_reason varchar(2000) NOT NULL,
        special_explain varchar(2000),
        special_time timestamp NOT NULL,
        end_time timestamp NOT NULL,
        result varchar(2000),
        applyer_user_name varchar(100),
        handle_user varchar(100),
        remark varchar(1000)
    )
    """,
    "COMMENT ON COLUMN up_pro_accept.project_no IS 'number of the case and step: one row for each'",
    "COMMENT ON COLUMN up_pro_process.remark IS 'the number the department has given the case'",
    *(
        f"CREATE INDEX IF NOT EXISTS {table}_unread ON {table} (id) WHERE fetched_at IS NULL"
        for table in ("up_pro_accept", "up_pro_process", "up_pro_special_procedure", "up_pro_result")
    ),
    "CREATE INDEX IF NOT EXISTS up_pro_process_project ON up_pro_process (project_no)",
    "CREATE INDEX IF NOT EXISTS up_pro_result_project ON up_pro_result (project_no)",
)


async def create_tables(database: AsyncEngine) -> None:
    """Make the exchange tables unless they exist."""
    async with database.execution_options(isolation_level="READ COMMITTED").begin() as connection:
        for statement in _DDL:
            await connection.execute(text(statement))


def insert(table: str, columns: Iterable[str], conflict: str, rows: str = "rows") -> str:
    """The statement that inserts any number of rows, a JSON array bound as ``:rows``, into an exchange table.

    The names are part of the statement: callers pass constants of this package only.
    """
    listed = ", ".join(columns)
    return (
        f"INSERT INTO {table} ({listed}) SELECT {listed} "
        f"FROM jsonb_populate_recordset(CAST(NULL AS {table}), CAST(:{rows} AS jsonb)) "
        f"ON CONFLICT (row_guid) {conflict}"
    )
