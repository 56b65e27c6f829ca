"""The first tables of the front."""

from alembic import op

from services.runtime.store import access_record

revision = "0001"
down_revision = None

_TABLES = (
    """
    CREATE TABLE logins (
        state_hash bytea PRIMARY KEY,
        browser_hash bytea NOT NULL,
        nonce text NOT NULL,
        verifier text NOT NULL,
        way_back text NOT NULL,
        fresh boolean NOT NULL,
        begun_at timestamptz NOT NULL
    )
    """,
    "COMMENT ON TABLE logins IS 'logins that have begun, until the browser comes back from the issuer'",
    "CREATE INDEX logins_begun ON logins (begun_at)",
    """
    CREATE TABLE sessions (
        session_id uuid PRIMARY KEY,
        secret_hash bytea NOT NULL UNIQUE,
        person_id text NOT NULL,
        name text NOT NULL,
        created_at timestamptz NOT NULL,
        used_at timestamptz NOT NULL,
        access_token bytea,
        access_expires_at timestamptz NOT NULL,
        refresh_token bytea,
        identity_token bytea,
        ended_at timestamptz,
        end_reason text CHECK (end_reason IN ('logout', 'idle', 'too-long', 'refused', 'replaced', 'revoked')),
        is_wall boolean NOT NULL DEFAULT false,
        CHECK ((ended_at IS NULL) = (end_reason IS NULL)),
        CHECK ((ended_at IS NULL) = (access_token IS NOT NULL))
    )
    """,
    """
    CREATE TABLE walls (
        name text PRIMARY KEY,
        program text NOT NULL,
        code_hash bytea UNIQUE,
        code_until timestamptz,
        session_id uuid,
        added_by text,
        added_at timestamptz NOT NULL,
        opened_at timestamptz,
        revoked_by text,
        revoked_at timestamptz,
        CHECK ((code_hash IS NULL) = (code_until IS NULL))
    )
    """,
    "COMMENT ON TABLE walls IS 'wall displays; the code of one is typed once to open it'",
    "COMMENT ON COLUMN sessions.is_wall IS 'of a wall display, which nothing but its page is shown to'",
    "COMMENT ON TABLE sessions IS 'sessions of browsers; tokens are encrypted by the setting secret_key'",
    "CREATE INDEX sessions_used ON sessions (used_at) WHERE ended_at IS NULL",
    "CREATE INDEX sessions_created ON sessions (created_at) WHERE ended_at IS NULL",
    "CREATE INDEX sessions_ended ON sessions (ended_at) WHERE ended_at IS NOT NULL",
)


def upgrade() -> None:
    for statement in (*_TABLES, *access_record.TABLES):
        op.execute(statement)
