"""A row that the department's table refuses, as a person should know it. Pure."""

from collections.abc import Mapping
from typing import NamedTuple

from pydantic_core import to_json

from services.runtime.external_system import RequestRefused

_WHY = {
    "22001": ("the value is too long for it", "值过长"),
    "22021": ("the database's encoding lacks a character of the value", "数据库编码缺少该值中的字符"),
    "22P05": ("the database's encoding lacks a character of the value", "数据库编码缺少该值中的字符"),
    "23502": ("it needs a value, and this task has none for it", "该列必须有值，而此任务没有"),
    "23503": ("another table of the department lacks the value", "部门的另一张表中没有该值"),
    "23505": ("another row has the same value", "另一行已有相同的值"),
    "23514": ("its check refuses the value", "该列的校验拒绝该值"),
    "P0001": ("a trigger refuses the row", "触发器拒绝该行"),
}


class Refusal(NamedTuple):
    """The known facts of a refused row. ``columns``: those that refuse it, with their types; may be empty."""

    table: str
    sqlstate: str
    columns: Mapping[str, str]
    constraint: str | None = None


def refused_row(refusal: Refusal, row_guid: str) -> RequestRefused:
    """The error for a task whose row is refused. It names table and column, and no value: that may be personal data."""
    why, why_zh = _WHY.get(refusal.sqlstate, ("the database refuses the value", "数据库拒绝该值"))
    columns = ", ".join(f"{name} ({type_})" for name, type_ in refusal.columns.items())
    where = f"column {columns}" if columns else "a column that the database does not name"
    where_zh = f"列 {columns}" if columns else "数据库未指明的列"
    constraint = f", constraint {refusal.constraint}" if refusal.constraint else ""
    # The same refusal has the same content, so that it stays one dead letter.
    raw = to_json({"table": refusal.table, "row_guid": row_guid, "columns": list(refusal.columns)})
    return RequestRefused(
        f"the department's table {refusal.table} refuses the row of this task: {where}{constraint}: {why} (SQLSTATE "
        f"{refusal.sqlstate}). Have the department restore the column as the exchange agreement has it. The row is "
        "written again by itself; then drop this letter",
        f"部门的表 {refusal.table} 拒绝此任务的行：{where_zh}：{why_zh}（SQLSTATE {refusal.sqlstate}）。"
        "请部门按交换约定恢复该列。该行会自动重写，随后请丢弃此死信",
        raw,
    )


def locked_row(row_guid: str) -> RequestRefused:
    """The error for a task whose row another session keeps locked."""
    return RequestRefused(
        "another session of the department's database keeps the row of this task in table up_pro_accept locked. Have "
        "the department end that transaction (pg_stat_activity names it). The row is written again by itself; then "
        "drop this letter",
        "部门数据库的另一会话锁住了表 up_pro_accept 中此任务的行。请部门结束该事务（见 pg_stat_activity）。"
        "该行会自动重写，随后请丢弃此死信",
        to_json({"table": "up_pro_accept", "row_guid": row_guid}),
    )
