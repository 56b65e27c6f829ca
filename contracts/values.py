"""The one base class of all values. This file alone knows the inside of pydantic."""

from typing import Self

from pydantic import BaseModel, ConfigDict

_fill = object.__setattr__
"""What is frozen can be filled from outside only."""


_NOT_NOTED: set[str] = set()


class Value(BaseModel):
    """A part of a message: frozen, and deaf to fields a newer writer may have added."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    def model_post_init(self, context: object, /) -> None:
        """Forget which fields were given and which have their defaults.

        pydantic notes it in a set for each value, as large as the fields themselves, and nobody here asks for it.
        """
        _fill(self, "__pydantic_fields_set__", _NOT_NOTED)

    def replace(self, **news: object) -> Self:
        """A copy with these fields in place of its own: what pydantic's ``model_copy`` does, at half the price.

        Like there, nothing is checked but the names: put in what was taken from a checked message, or made as one.
        A value has no private attributes and caches nothing, so that its fields are all there is to copy.

        Raises `TypeError` for a field that this value does not have.
        """
        fields = self.__dict__ | news
        if len(fields) != len(self.__dict__):
            raise TypeError(f"{type(self).__name__} has no {', '.join(sorted(news.keys() - self.__dict__.keys()))}")
        copy = object.__new__(type(self))
        # These four are all that an instance of pydantic consists of.
        _fill(copy, "__dict__", fields)
        _fill(copy, "__pydantic_fields_set__", _NOT_NOTED)
        _fill(copy, "__pydantic_extra__", None)
        _fill(copy, "__pydantic_private__", None)
        return copy


class StrictValue(Value):
    """A value that people write into a file: an unknown field is a fault, not something to pass over."""

    model_config = ConfigDict(frozen=True, extra="forbid")
