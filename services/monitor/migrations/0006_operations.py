"""What the platform itself has failed in, for operations."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.execute("""
        CREATE TABLE operations (
            case_id text NOT NULL,
            commitment text NOT NULL,
            problem text NOT NULL,
            number bigint GENERATED ALWAYS AS IDENTITY,
            owner text NOT NULL,
            matter text NOT NULL,
            region text NOT NULL,
            raised_at timestamptz NOT NULL,
            settled_at timestamptz,
            PRIMARY KEY (case_id, commitment, problem)
        )
    """)
    op.execute("CREATE UNIQUE INDEX operations_newest ON operations (number)")
    op.execute("CREATE INDEX operations_open ON operations (number) WHERE settled_at IS NULL")
