"""Accounts, sessions, grants and keys, the documents that are followed, and the record.

Revision ID: 0001
Revises:
"""

from alembic import op

from services.identity.store.record import ABOUT
from services.runtime.store import access_record, documents

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TABLES = (
    """
    CREATE TABLE people (
        person_id text PRIMARY KEY,
        name text NOT NULL,
        user_handle uuid NOT NULL UNIQUE,
        password_hash text,
        disabled_at timestamptz,
        left_at timestamptz,
        created_at timestamptz NOT NULL
    )
    """,
    "COMMENT ON COLUMN people.disabled_at IS 'by a person; null while the account is not disabled'",
    "COMMENT ON COLUMN people.left_at IS 'null while the person has a post in the directory, or none is followed'",
    "COMMENT ON COLUMN people.user_handle IS 'the person for a passkey, which repeats it and must not name anybody'",
    """
    CREATE TABLE passkeys (
        credential_id bytea PRIMARY KEY,
        person_id text NOT NULL REFERENCES people,
        public_key bytea NOT NULL,
        sign_count bigint NOT NULL,
        created_at timestamptz NOT NULL,
        used_at timestamptz
    )
    """,
    "CREATE INDEX passkeys_person ON passkeys (person_id)",
    # Secrets are kept as SHA-256: they are random and long, so that no slow hash is needed, and a copy of the database
    # gives no access.
    """
    CREATE TABLE enrolments (
        person_id text PRIMARY KEY REFERENCES people,
        secret_hash bytea UNIQUE,
        asked_by text,
        asked_for text,
        reason text,
        created_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL,
        used_at timestamptz
    )
    """,
    "COMMENT ON COLUMN enrolments.secret_hash IS 'of the code; null until a second person gives it out'",
    "COMMENT ON COLUMN enrolments.asked_for IS 'the person on leave for whom a deputy has asked'",
    """
    CREATE TABLE browsers (
        browser_hash bytea PRIMARY KEY,
        person_id text NOT NULL REFERENCES people,
        used_at timestamptz NOT NULL
    )
    """,
    "COMMENT ON TABLE browsers IS 'browsers in which a person has logged in'",
    "CREATE INDEX browsers_person ON browsers (person_id)",
    """
    CREATE TABLE challenges (
        form_hash bytea PRIMARY KEY,
        challenge bytea NOT NULL,
        expires_at timestamptz NOT NULL
    )
    """,
    "COMMENT ON TABLE challenges IS 'challenges for a passkey, each used once, by the form that they were made for'",
    """
    CREATE TABLE attempts (
        subject text PRIMARY KEY,
        count integer NOT NULL,
        latest_at timestamptz NOT NULL
    )
    """,
    "CREATE INDEX attempts_latest ON attempts (latest_at)",
    """
    CREATE TABLE sessions (
        session_id uuid PRIMARY KEY,
        secret_hash bytea NOT NULL UNIQUE,
        person_id text NOT NULL REFERENCES people,
        method text NOT NULL CHECK (method IN ('password', 'passkey')),
        created_at timestamptz NOT NULL,
        used_at timestamptz NOT NULL,
        ended_at timestamptz,
        end_reason text
    )
    """,
    "CREATE INDEX sessions_person ON sessions (person_id) WHERE ended_at IS NULL",
    "CREATE INDEX sessions_created ON sessions (created_at)",
    # What a person has given to a program. Codes and refresh tokens belong to it and end with it.
    """
    CREATE TABLE grants (
        grant_id uuid PRIMARY KEY,
        person_id text NOT NULL REFERENCES people,
        client_id text NOT NULL,
        scope text NOT NULL,
        session_id uuid,
        authenticated_at timestamptz NOT NULL,
        method text NOT NULL,
        created_at timestamptz NOT NULL,
        revoked_at timestamptz,
        revocation text
    )
    """,
    "CREATE INDEX grants_person ON grants (person_id) WHERE revoked_at IS NULL",
    "CREATE INDEX grants_session ON grants (session_id) WHERE revoked_at IS NULL",
    "CREATE INDEX grants_created ON grants (created_at)",
    """
    CREATE TABLE codes (
        code_hash bytea PRIMARY KEY,
        grant_id uuid NOT NULL REFERENCES grants ON DELETE CASCADE,
        redirect_uri text NOT NULL,
        nonce text,
        code_challenge text NOT NULL,
        expires_at timestamptz NOT NULL,
        used_at timestamptz
    )
    """,
    "CREATE INDEX codes_grant ON codes (grant_id)",
    """
    CREATE TABLE refresh_tokens (
        token_hash bytea PRIMARY KEY,
        grant_id uuid NOT NULL REFERENCES grants ON DELETE CASCADE,
        created_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL,
        used_at timestamptz
    )
    """,
    "CREATE INDEX refresh_tokens_grant ON refresh_tokens (grant_id)",
    """
    CREATE TABLE device_requests (
        device_hash bytea PRIMARY KEY,
        user_code_hash bytea NOT NULL UNIQUE,
        client_id text NOT NULL,
        scope text NOT NULL,
        expires_at timestamptz NOT NULL,
        polled_at timestamptz,
        grant_id uuid REFERENCES grants ON DELETE SET NULL,
        denied boolean NOT NULL DEFAULT false,
        used_at timestamptz
    )
    """,
    "CREATE INDEX device_requests_grant ON device_requests (grant_id)",
    """
    CREATE TABLE signing_keys (
        key_id text PRIMARY KEY,
        signs_from timestamptz NOT NULL,
        private_key bytea NOT NULL,
        public_key text NOT NULL
    )
    """,
    "COMMENT ON COLUMN signing_keys.private_key IS 'PKCS #8, encrypted by the setting secret_key'",
    "COMMENT ON COLUMN signing_keys.public_key IS 'JSON Web Key, as it is published'",
)


def upgrade() -> None:
    for statement in (*_TABLES, *access_record.TABLES, ABOUT, *documents.TABLES):
        op.execute(statement)
