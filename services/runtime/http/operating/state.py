"""The state of this process, and of all processes where the service follows their reports."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field

from contracts.messages.processes import ProcessReported, Stored
from contracts.rights.table import Act
from contracts.values import Model
from services.runtime import telemetry
from services.runtime.clock import machine_now
from services.runtime.http.bodies.json_route import json_router
from services.runtime.http.operating.judgement import Platform, ServiceState, expected_services, judge
from services.runtime.http.operating.openapi import refusals
from services.runtime.security.access import Permit
from services.runtime.service import Service, ServiceHost


class TroubleView(Model):
    """Something that an operator has to see to: what it is, and what to do."""

    kind: str
    service: str
    text: str
    text_zh: str
    page: str | None = Field(description="The page on which to see to it.")


class ProcessView(Model):
    """A process, as of its latest report."""

    condition: str
    reported_at: datetime = Field(description="Machine time.")
    report: ProcessReported


class ServiceView(Model):
    """A service, and its processes."""

    name: str
    condition: str = Field(description="That of its worst process: silent, not-ready, impaired, unknown, ready.")
    ready: int = Field(description="How many of its processes can do their work.")
    lag: int | None
    stored: Stored | None = Field(description="What its database has.")
    processes: list[ProcessView]


class PlatformView(Model):
    """All processes of services. The front and the issuer of logins are not among them: they do not report."""

    as_of: datetime
    delivers: bool = Field(description="Whether Kafka delivers reports; if not, all but this process is as of then.")
    troubles: list[TroubleView] = Field(description="In the order in which to see to them; empty: all is well.")
    services: list[ServiceView] = Field(description="The worst first.")


async def platform_of(host: ServiceHost[Any]) -> Platform:
    """All processes as of now, as this one sees them."""
    return platform_by(host, await host.report())


def platform_by(host: ServiceHost[Any], own: ProcessReported) -> Platform:
    """The same, where the state of this process is known. Sets the metric of silent processes."""
    now = machine_now()
    found = judge(own, host.reports.known(now), expected_services(host.settings.systems), now)
    telemetry.PROCESSES_SILENT.set(found.silent)
    return found


def routes(host: ServiceHost[Any], service: Service[Any]) -> APIRouter:
    """The endpoints."""
    router = json_router(tags=["state"], responses=refusals(401, 403, 503))
    reading = host.access.may(Act.READ_STATE)

    @router.get("/process")
    async def process(_: Annotated[Permit, reading]) -> ProcessReported:
        """The process that answers, as of now."""
        return await host.report()

    if service.watches_processes:

        @router.get("/state")
        async def state(_: Annotated[Permit, reading]) -> PlatformView:
            """All processes of all services, and what operators have to see to."""
            found = await platform_of(host)
            return PlatformView(
                as_of=found.as_of,
                delivers=found.delivers,
                troubles=[
                    TroubleView(
                        kind=_name(one.kind.name),
                        service=one.service,
                        text=one.text.en,
                        text_zh=one.text.zh,
                        page=one.page,
                    )
                    for one in found.troubles
                ],
                services=[_view(one) for one in found.services],
            )

    return router


def _view(one: ServiceState) -> ServiceView:
    processes = [
        ProcessView(condition=_name(process.condition.name), reported_at=process.at, report=process.report)
        for process in one.processes
    ]
    return ServiceView(
        name=one.name,
        condition=_name(one.condition.name),
        ready=one.ready,
        lag=one.lag,
        stored=one.stored,
        processes=processes,
    )


def _name(name: str) -> str:
    return name.lower().replace("_", "-")
