"""Who is told: directories, who was told what, and the digests that it goes out in.

What is told gathers in one open digest a person. Sealed, it is not changed any more, and each of the person's addresses
has a row by which it is sent. ``told_at`` is a moment of the settable clock; all others here are machine time.
"""

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.execute("""
        CREATE TABLE directories (
            number integer PRIMARY KEY,
            body text NOT NULL,
            summary text NOT NULL,
            made_at timestamptz NOT NULL DEFAULT now()
        )
    """)
    op.execute("COMMENT ON TABLE directories IS 'every directory that has been in force; the last one is'")
    op.execute("""
        CREATE TABLE digests (
            number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            person text NOT NULL,
            began_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            joined_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            sealed_at timestamptz,
            subject text,
            content text
        )
    """)
    op.execute("COMMENT ON COLUMN digests.content IS 'what it says, JSON; NULL where nothing was left to be told'")
    # One open digest a person, whoever gathers.
    op.execute("CREATE UNIQUE INDEX digests_open ON digests (person) WHERE sealed_at IS NULL")
    op.execute("""
        CREATE TABLE told (
            case_id text NOT NULL,
            commitment text NOT NULL,
            rung text NOT NULL,
            turn integer NOT NULL,
            what text NOT NULL CHECK (what IN ('rung', 'withdrawn', 'appeal', 'decision')),
            level smallint NOT NULL,
            person text NOT NULL,
            digest bigint NOT NULL,
            owner text NOT NULL,
            due_at timestamptz NOT NULL,
            told_at timestamptz NOT NULL,
            PRIMARY KEY (case_id, commitment, rung, turn, what, level, person)
        )
    """)
    op.execute("COMMENT ON COLUMN told.level IS 'how far the rung had climbed'")
    op.execute("CREATE INDEX told_digest ON told (digest)")
    op.execute("CREATE INDEX told_withdrawn ON told (digest) WHERE what = 'withdrawn'")
    op.execute("""
        CREATE TABLE sendings (
            id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
            digest bigint NOT NULL,
            address text NOT NULL,
            since timestamptz NOT NULL DEFAULT clock_timestamp(),
            attempts integer NOT NULL DEFAULT 0,
            next_at timestamptz DEFAULT clock_timestamp(),
            sent_at timestamptz,
            fault text,
            given_up_at timestamptz
        )
    """)
    op.execute("COMMENT ON COLUMN sendings.since IS 'from when on it is tried, before it is given up'")
    op.execute("COMMENT ON COLUMN sendings.next_at IS 'when to try, or while it is tried the end of the lease'")
    op.execute("CREATE INDEX sendings_next ON sendings (next_at) WHERE next_at IS NOT NULL")
    op.execute("CREATE INDEX sendings_digest ON sendings (digest)")
    op.execute("CREATE INDEX sendings_unsent ON sendings (digest) WHERE sent_at IS NULL")
    op.execute("CREATE INDEX sendings_given_up ON sendings (digest) WHERE given_up_at IS NOT NULL")
