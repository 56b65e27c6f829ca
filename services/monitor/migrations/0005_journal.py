"""The journal of monitor's decisions: a chain of blocks for each region, and a signed root a day."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.execute("""
        CREATE TABLE journal (
            region text NOT NULL,
            number bigint NOT NULL,
            day date NOT NULL,
            previous bytea NOT NULL,
            hash bytea NOT NULL,
            entries text[] NOT NULL,
            chained_at timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (region, number)
        )
    """)
    op.execute("CREATE INDEX journal_day ON journal (day)")
    # What was said of late is read every few seconds, and must not be looked for page by page.
    op.execute("ALTER INDEX outbox_said SET (autosummarize = on)")
    op.execute("""
        CREATE TABLE journal_roots (
            region text NOT NULL,
            day date NOT NULL,
            first bigint NOT NULL,
            last bigint NOT NULL,
            entries bigint NOT NULL,
            hash bytea NOT NULL,
            key bytea NOT NULL,
            signature bytea NOT NULL,
            PRIMARY KEY (region, day)
        )
    """)
    # Until when what was said stands in the chains: a moment of the database's own clock.
    op.execute("CREATE TABLE journal_reached (one boolean PRIMARY KEY CHECK (one), said_at timestamptz, key bytea)")
    op.execute("INSERT INTO journal_reached VALUES (true, NULL)")
    op.execute("""
        CREATE FUNCTION journal_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'the journal is append-only'; END $$
    """)
    for table in ("journal", "journal_roots"):
        op.execute(f"""
            CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
            FOR EACH STATEMENT EXECUTE FUNCTION journal_is_append_only()
        """)
    # What has been read is not read again, and nothing is passed over.
    op.execute("""
        CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON journal_reached
        FOR EACH STATEMENT EXECUTE FUNCTION journal_is_append_only()
    """)
    op.execute("""
        CREATE TRIGGER only_on BEFORE UPDATE ON journal_reached FOR EACH ROW
        WHEN (NEW.said_at IS NULL OR NEW.said_at < OLD.said_at) EXECUTE FUNCTION journal_is_append_only()
    """)
