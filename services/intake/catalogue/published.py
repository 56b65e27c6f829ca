"""Publishes the names of the catalogue in use: other services have codes, and people read names."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.messages.documents import NamesPublished
from services.intake.catalogue.load import catalogue_in_use
from services.intake.core.catalogue.names import names_of
from services.intake.settings import IntakeSettings
from services.runtime import configuration
from services.runtime.service import Published


def published() -> Sequence[Published]:
    """The names that intake publishes for all services, of the catalogue with which the process starts."""
    names = names_of(catalogue_in_use(configuration.read(IntakeSettings).catalogue))

    async def names_in_force(connection: AsyncConnection) -> NamesPublished:
        return names

    return (names_in_force,)
