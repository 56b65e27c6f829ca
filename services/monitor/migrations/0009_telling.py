"""Who is told: directories, who was told what, and the digests that it goes out in.

What is told gathers in one open digest a person. Sealed, it is not changed any more, and each of the person's addresses
has a row by which it is sent. ``told_at`` is a moment of the settable clock; all others here are machine time.
"""

from alembic import op

revision = "0009"
down_revision = "0007"


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
