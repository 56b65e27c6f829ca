"""Scopes as conditions of SQL: what lies outside is neither listed nor counted."""

from typing import Any, NamedTuple

from contracts.rights.scope import Scope


class Columns(NamedTuple):
    """The expressions of SQL that have the department, region and item of a row.

    ``in_order``: the region is a column with the collation C, so that an index finds its beginnings.
    """

    department: str = "owner"
    region: str = "region"
    item: str = "matter"
    in_order: bool = False


def within(scope: Scope, columns: Columns = Columns()) -> tuple[str, dict[str, Any]]:
    """A condition that holds for rows in this scope, and its parameters, whose names begin with ``scope_``."""
    areas: list[str] = []
    parameters: dict[str, Any] = {}
    for number, area in enumerate(scope):
        parts: list[str] = []
        if area.department is not None:
            parts.append(f"{columns.department} = :scope_{number}_department")
            parameters[f"scope_{number}_department"] = area.department
        if area.region is not None:
            name = f"scope_{number}_region"
            parts.append(
                f"{columns.region} >= :{name} AND {columns.region} < :{name}_end"
                if columns.in_order
                else f"starts_with({columns.region}, :{name})"
            )
            parameters[name] = area.region
            if columns.in_order:
                parameters[f"{name}_end"] = area.region + _AFTER_DIGITS
        if area.items:
            parts.append(f"{columns.item} = ANY(CAST(:scope_{number}_items AS text[]))")
            parameters[f"scope_{number}_items"] = list(area.items)
        if not parts:
            return "TRUE", {}
        areas.append(" AND ".join(parts))
    return f"({' OR '.join(f'({area})' for area in areas)})" if areas else "FALSE", parameters


_AFTER_DIGITS = ":"
"""The character that follows the digits."""
