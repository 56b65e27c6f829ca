"""Exceptions as text for logs, without any value of a message, a row or a request: it may be personal data."""

import traceback

import asyncpg
from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError

_HARMLESS = frozenset({"contracts", "services", "deploy", "onedoor", "aiokafka"})
"""Packages whose exceptions name fields and addresses, and never values."""

_DATA_ERRORS = ("21", "22", "23", "44", "54", "P0")
"""SQLSTATE classes of errors in the data: cardinality, data exception, constraint violation, check option, program
limit, and what a trigger raises."""


def is_about_data(error: asyncpg.PostgresError) -> bool:
    """Whether PostgreSQL refuses the data, whose values the error may contain."""
    return (error.sqlstate or "").startswith(_DATA_ERRORS)


def describe(error: BaseException) -> str:
    """An exception in one line.

    Exceptions of onedoor, of Kafka's client and of the operating system say why they were raised. Errors of PostgreSQL
    that are not about data do so too. Of any other exception the type is all that is certain to be harmless.
    """
    name = type(error).__name__
    if isinstance(error, DBAPIError):
        cause = error.orig.__cause__ if error.orig is not None else None
        return f"{name}: {describe(cause)}" if cause is not None else name
    if isinstance(error, asyncpg.PostgresError):
        if is_about_data(error):
            place = ".".join(filter(None, (error.table_name, error.column_name, error.constraint_name)))
            return f"{name}: {place}" if place else name
        return f"{name}: {error.args[0]}" if error.args else name
    if isinstance(error, ValidationError):
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        places = ((".".join(map(str, fault["loc"])) or "whole", fault["type"]) for fault in faults)
        return f"{name} of {error.title}: " + "; ".join(f"{place}: {kind}" for place, kind in places)
    if isinstance(error, OSError) and error.strerror is not None:
        return f"{name}: {error.strerror}"
    if type(error).__module__.partition(".")[0] in _HARMLESS and str(error):
        return f"{name}: {error}"
    return name


def describe_with_trace(error: BaseException) -> str:
    """The exception with its causes, each with the lines of the program that it passed, as in a traceback."""
    parts = [*traceback.format_tb(error.__traceback__), describe(error)]
    if isinstance(error, BaseExceptionGroup):
        parts += [f"\n\nin this group:\n{describe_with_trace(one)}" for one in error.exceptions]
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None:
        parts.insert(0, f"{describe_with_trace(cause)}\n\nand then:\n")
    return "".join(parts)
