"""The base class of all values, and the one file that relies on private parts of pydantic.

Two shortcuts are taken, each for a measured gain (docs/performance.md, "Shortcuts in pydantic").
tests/unit/contracts/test_values.py fails when pydantic changes what they rely on.
"""

from typing import Self

from pydantic import BaseModel, ConfigDict

_set = object.__setattr__
"""Bypasses pydantic's frozen check."""

_NO_FIELDS_SET: set[str] = set()
"""Shared by all values. Nothing writes to it: values are frozen, and pydantic copies it before it adds to it."""


NO_INPUT_IN_ERRORS = ConfigDict(hide_input_in_errors=True)
"""For a `TypeAdapter`, which has no model to take it from."""


class Model(BaseModel):
    """The base of all models. Its errors name fields, never their values, which may be personal data."""

    model_config = NO_INPUT_IN_ERRORS


class Value(Model):
    """A part of a message or of a state: frozen. Unknown fields are ignored, since a newer producer may add some."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    def model_post_init(self, context: object, /) -> None:
        """Drop pydantic's set of the fields that were given.

        Each value would hold a set of its own, as large as its fields, and nothing here reads it. Without the sets a
        decoded state takes half the memory; decoding takes 12% (messages) to 25% (states) longer for it.
        """
        _set(self, "__pydantic_fields_set__", _NO_FIELDS_SET)

    def replace(self, **changes: object) -> Self:
        """A copy in which ``changes`` replace fields of this value: `model_copy`, at half the price.

        As with `model_copy`, only the names are checked: pass values that come from a validated message. The fields
        are all there is to copy, since a value has no private attributes and no cached properties.

        Raises `TypeError` for a field that this value does not have.
        """
        fields = self.__dict__ | changes
        if len(fields) != len(self.__dict__):
            unknown = sorted(changes.keys() - self.__dict__.keys())
            raise TypeError(f"{type(self).__name__} has no {', '.join(unknown)}")
        copy = object.__new__(type(self))
        # An instance of a pydantic model consists of these four attributes.
        _set(copy, "__dict__", fields)
        _set(copy, "__pydantic_fields_set__", _NO_FIELDS_SET)
        _set(copy, "__pydantic_extra__", None)
        _set(copy, "__pydantic_private__", None)
        return copy


class StrictValue(Value):
    """A value that people write into a file: an unknown field is a fault, not something to pass over."""

    model_config = ConfigDict(frozen=True, extra="forbid")
