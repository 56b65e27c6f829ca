"""Exceptions in logs: why something failed, and no value of a person."""

import pytest
from asyncpg import InvalidPasswordError, NotNullViolationError, UniqueViolationError
from asyncpg.exceptions import DataError
from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError

from contracts.core import InvalidMessage
from contracts.messages.cases import Applicant
from services.runtime.error_text import describe, describe_with_trace

NAME = "王小明"


def raised(error: Exception, cause: Exception | None = None) -> Exception:
    try:
        raise error from cause
    except Exception as caught:
        return caught


def refused_row() -> NotNullViolationError:
    return NotNullViolationError.new(
        {
            "S": "ERROR",
            "C": "23502",
            "M": f"null value in column of {NAME}",
            "D": f"Failing row contains ({NAME})",
            "t": "cases",
            "c": "version",
        }
    )


def wrapped(cause: Exception) -> DBAPIError:
    """An error of the database as SQLAlchemy raises it."""
    return DBAPIError(f"INSERT {NAME}", None, raised(Exception(str(cause)), cause))


def invalid() -> ValidationError:
    with pytest.raises(ValidationError) as refused:
        Applicant.model_validate({"kind": "person", "name": [NAME], "id_number": NAME})
    return refused.value


@pytest.mark.parametrize(
    "error",
    [
        KeyError(NAME),
        ValueError(f"invalid literal: {NAME}"),
        UniqueViolationError(f"Key (name)=({NAME}) already exists"),
        DataError(f"invalid input for query argument $1: {NAME}"),
        refused_row(),
        wrapped(refused_row()),
        invalid(),
        FileNotFoundError(2, "No such file or directory", NAME),
        ExceptionGroup("several", [KeyError(NAME), ValueError(NAME)]),
        raised(RuntimeError(NAME), KeyError(NAME)),
    ],
)
def test_no_value_is_in_the_text(error: Exception) -> None:
    for text in (describe(error), describe_with_trace(raised(error, raised(ValueError(NAME))))):
        assert type(error).__name__ in text
        assert NAME not in text


def test_the_reason_is_in_the_text_where_it_is_harmless() -> None:
    assert describe(refused_row()) == "NotNullViolationError: cases.version"
    assert describe(wrapped(refused_row())) == "DBAPIError: NotNullViolationError: cases.version"
    error = InvalidMessage("step tax was approved", "环节 tax 已准予")
    assert describe(error) == "InvalidMessage: step tax was approved / 环节 tax 已准予"
    assert "password" in describe(InvalidPasswordError("password authentication failed"))
    assert describe(ConnectionRefusedError(111, "Connection refused")) == "ConnectionRefusedError: Connection refused"
    assert "name: string_type" in describe(invalid())


def test_the_trace_names_the_lines_of_the_program_and_all_causes() -> None:
    text = describe_with_trace(raised(RuntimeError("x"), raised(KeyError("y"))))
    assert text.index("KeyError") < text.index("and then:") < text.index("RuntimeError")
    assert text.count("in raised\n") == 2
