"""The table of rights, as Markdown, generated from `contracts.rights.table`."""

from pathlib import Path

from contracts.rights.table import POWERS, RIGHTS, Act, Extent, Power, Role

DOCUMENT = Path(__file__).parents[1] / "docs" / "rights.md"

_INTRODUCTION = """\
# Rights

A person logs in at the issuer of logins, which says who they are. What they may do follows from their posts in the
directory in force (`onedoor directory`), of which each has a role. What the table below does not list is refused.

- **Scope.** A post covers a department, a region, items, or all of them, and days. "post": the right holds for the work
  that the post covers. "region": for all departments and items in its region. "all": for everything. Lists, counts,
  files and figures have only what the scope holds; what lies outside does not exist for the reader (404).
- **Deputies.** While a person is on leave, the deputy has the rights of the post as well. What the deputy does is
  recorded with both names.
- **Apart.** Three powers are kept apart: to approve, to manage, to supervise (审批、管理、监督三分离). No person holds
  posts of two of them, unless the directory says `powers_apart: false`, as a place with one person must.
- **Four eyes.** A change of rules, directory or calendar is proposed by one person and put in force by another one:
  by a command ([operate.md](operate.md#logins)), or by an endpoint within five minutes of a login. Where one person
  does all, the directory says `four_eyes: false`, and each block of the journal says so.
- **Programs** have posts as well: the subject of their token is their name in the directory.
- **An appeal** is not decided by the person who made it, and only within five minutes of a login.

- **On record.** Every act, every reading of personal data, every export and every refusal is
  [on record](operate.md#the-record-of-access).

The directory reaches every process by the topic `onedoor.documents`, usually within a second, so that no request asks
another service. Its records are authenticated by `ONEDOOR_DOCUMENTS_KEY`: somebody who can write to Kafka and does
not have this key gives nobody a right. `contracts/rights/table.py` has the table,
`services/runtime/security/access.py` the checks, and `tests/contract/test_endpoint_rights.py` tries every endpoint
with every role. The attacks that are tried on every change stand in [attacks.md](attacks.md).
"""

_MARK = {Extent.POST: "post", Extent.REGION: "region", Extent.ALL: "all", None: ""}

_POWER = {
    Power.APPROVE: "approve (审批)",
    Power.MANAGE: "manage (管理)",
    Power.SUPERVISE: "supervise (监督)",
    Power.SERVE: "programs",
}


def markdown() -> str:
    """The whole document."""
    lines = [_INTRODUCTION]
    for power in Power:
        roles = [role for role in Role if POWERS[role] is power]
        acts = [act for act in Act if any(act in RIGHTS[role] for role in roles)]
        lines += [
            f"## {_POWER[power].capitalize()}",
            "",
            f"| act | {' | '.join(role.value for role in roles)} |",
            f"| --- |{' --- |' * len(roles)}",
        ]
        lines += [f"| `{act.value}` | {' | '.join(_MARK[RIGHTS[role].get(act)] for role in roles)} |" for act in acts]
        lines.append("")
    return "\n".join(lines)


def write() -> None:
    """Write the document."""
    DOCUMENT.write_text(markdown(), encoding="utf-8")
