"""Cases of two departments in one city: overdue with cards and without, appealed against, suspended, and due soon."""

from datetime import datetime

from contracts.messages.alerts import AlertAppealed, Rung
from contracts.messages.cases import StepState
from contracts.messages.commitments import CASE
from contracts.messages.documents import BundleName, CatalogueName, NamesPublished
from services.monitor.store.notifications import directory_store
from services.runtime.store.database import transaction
from tests.support.messages import MONDAY, CaseMessages, at, limits, plan, plan_step, report
from tests.support.monitor_process import MonitorProcess, number
from tests.support.staff import with_everybody

LAND, MARKET = "Land (自然资源局)", "Commerce (市场监管局)"
QINGXIU, NANNING = "450103", "4501"

LATER = at("2026-03-30 10:00")
NOW = at("2026-04-14 10:24")

NAMES = NamesPublished(
    departments=(
        CatalogueName(key=LAND, zh="自然资源局", en="Land"),
        CatalogueName(key=MARKET, zh="市场监管局", en="Commerce"),
    ),
    items=(CatalogueName(key="title-examination", zh="不动产权属审核", en="Examination of title"),),
    bundles=(
        BundleName(
            key="transfer-property",
            zh="不动产转移登记一件事",
            en="Transferring property",
            steps={"review": "title-examination", "licence": "licence"},
        ),
    ),
)

RED, YELLOW, FAULT, SOON = (number(n) for n in (1, 2, 3, 4))
APPELLANT, SUPERVISOR = "li", "zhou"

REASON = "现场勘验材料 4月1日才送达我局。"


def matter(case_days: int = 5) -> CaseMessages:
    """The transfer of a property: a review by one department, and a licence of another after it."""
    steps = (
        plan_step("review", department=LAND, system="tax", limits=limits(1, 20)),
        plan_step("licence", department=MARKET, system="commerce", after=("review",), limits=limits(2, 10)),
    )
    whole = limits(case_days, case_days + 5)
    return CaseMessages(
        plan(*steps, whole=whole, matter="transfer-property", matter_name="不动产转移登记", lead_department=MARKET),
        region=QINGXIU,
    )


async def fill(monitor: MonitorProcess) -> None:
    """Put the people in force, and let the cases run until now."""
    async with transaction(monitor.process.database) as connection:
        sample = directory_store.read(directory_store.SAMPLE.read_bytes())
        await directory_store.put(connection, with_everybody(sample), "for tests")
    await monitor.put_names(NAMES)
    of = matter()
    for case_id, moment, delivered in ((RED, MONDAY, True), (YELLOW, LATER, True), (FAULT, LATER, False)):
        await monitor.pass_to(moment)
        await monitor.process_messages(case_id, of.accepted(moment))
        if delivered:
            await monitor.process_messages(case_id, of.delivered("review", moment))
    late = at("2026-04-01 09:00")
    await monitor.pass_to(late)
    await monitor.process_messages(YELLOW, of.reported(report("review", StepState.DELIVERED, LATER)))
    appeal = AlertAppealed(
        commitment="step/review", rung=Rung.YELLOW, by=APPELLANT, reason=REASON, appealed_at=at("2026-04-02 09:00")
    )
    await monitor.process_messages(YELLOW, appeal)
    await _soon(monitor, at("2026-04-13 09:30"))
    await monitor.pass_to(NOW)
    for case_id, moment, state in (
        (RED, MONDAY, StepState.DELIVERED),
        (YELLOW, LATER, StepState.DELIVERED),
        (FAULT, LATER, StepState.REQUESTED),
    ):
        await monitor.process_messages(case_id, of.reported(report("review", state, moment)))


async def _soon(monitor: MonitorProcess, moment: datetime) -> None:
    """A case whose review was done in time, and whose licence is due in two working days."""
    of = matter(3)
    await monitor.pass_to(moment)
    await monitor.process_messages(SOON, of.accepted(moment), of.delivered("review", moment))
    await monitor.process_messages(SOON, of.done("review", moment, delivered_at=moment))
    await monitor.process_messages(SOON, of.reported(report("licence", StepState.DELIVERED, moment)))


async def alert_number(monitor: MonitorProcess, case_id: str, rung: Rung, commitment: str = CASE) -> int:
    """The number of an alert."""
    rows = await monitor.rows(
        "SELECT number FROM alerts WHERE (case_id, commitment, rung) = (:case, :commitment, :rung)",
        case=case_id,
        commitment=commitment,
        rung=rung.value,
    )
    return int(rows[0][0])
