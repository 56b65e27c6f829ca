"""Each list and file of monitor says on record how many rows it has given, and by which filter."""

import json
from collections.abc import Iterable
from typing import Any

import httpx2
from fastapi.routing import APIRoute

from services.monitor.app import SERVICE
from services.runtime.http.app import application
from services.runtime.http.pages.application import service_pages
from tests.support.messages import MONDAY
from tests.support.monitor_process import MonitorProcess, begun, number
from tests.support.staff import STAFF

NEEDED = {"/board/cases": {"figure": "open"}}
"""Further parameters that some lists need."""

NO_LIST = {"/due/counts", "/overdue/counts", "/commitments/{case_id}/explanation"}
"""Groups with numbers, and an explanation whose limit is that of a commitment: they show no row."""


def lists(routes: Iterable[Any]) -> list[str]:
    """The paths of the endpoints that read a list in parts."""
    found = []
    for route in routes:
        if (router := getattr(route, "original_router", None)) is not None:
            found += lists(router.routes)
        if isinstance(route, APIRoute) and route.methods == {"GET"} and route.path not in NO_LIST:
            fields = {
                name
                for field in route.dependant.query_params
                for name in getattr(field.field_info.annotation, "model_fields", (field.alias,))
            }
            if "limit" in fields:
                found.append(route.path)
    return found


async def test_each_list_that_is_exported_has_its_rows_and_its_filter_on_record(monitor: MonitorProcess) -> None:
    await monitor.process_messages(number(1), begun(moment=MONDAY))
    paths = lists(application(SERVICE, monitor.process).routes)
    assert len(paths) > 8
    for path in paths:
        needed = NEEDED.get(path, {})
        answer = await monitor.http.get(path.replace("{number}", "1"), params={"limit": "101", **needed})
        assert answer.status_code == httpx2.codes.OK, (path, answer.text)
    pages = httpx2.ASGITransport(service_pages(SERVICE, monitor.process))
    async with httpx2.AsyncClient(transport=pages, base_url="http://here", headers=STAFF) as client:
        for path in ("/alerts?region=4403&after=7", "/board/cases?figure=open&region=4403&after=AAAA-AAAA-AAAA-A~case"):
            answer = await client.get(path)
            assert answer.status_code == httpx2.codes.OK, answer.text
    await monitor.process.recorder.drain()
    found = await monitor.rows("SELECT request, outcome, rows, filter FROM access_record ORDER BY number")
    sent = {request: rows for request, outcome, rows, _ in found if outcome == "sent"}
    assert {f"GET {path}" for path in paths} <= sent.keys()
    assert [request for request, rows in sent.items() if rows is None] == []
    filters = {request: json.loads(filter) for request, outcome, _, filter in found if outcome == "given"}
    assert filters["GET /alerts"].get("region") == "4403" and filters["GET /board/cases"]["region"] == "4403"
